from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from stt.audio.augmentation import noise_and_rirs
from stt.audio.augmentation.noise_and_rirs import read_noise, read_rirs

RATE = 16_000


def test_noise_is_cut_at_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(noise_and_rirs, "MAX_NOISE_SECONDS", 2.5)
    for name in "abc":
        soundfile.write(tmp_path / f"{name}.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 2 * RATE), RATE)
    assert len(read_noise(str(tmp_path), RATE)) == 2.5 * RATE
    assert "b.wav and skipping all later ones: 2 s" in caplog.text


def test_of_many_rirs_the_same_few_are_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for i in range(20):
        soundfile.write(tmp_path / f"{i:02}.wav", np.array([1.0, i / 40]), RATE, subtype="FLOAT")
    every = read_rirs(str(tmp_path), RATE, 1.0)
    assert len(every) == 20
    monkeypatch.setattr(noise_and_rirs, "MAX_RIRS", 5)
    chosen = read_rirs(str(tmp_path), RATE, 1.0)
    assert torch.equal(chosen, read_rirs(str(tmp_path), RATE, 1.0))
    assert len(chosen) == 5
    assert not torch.equal(chosen, every[:5])
    assert set(chosen[:, 0].tolist()) <= set(every[:, 0].tolist())
    assert "5 of the 20 recordings are used, chosen by chance" in caplog.text
