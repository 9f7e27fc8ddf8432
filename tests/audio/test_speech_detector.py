import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("silero_vad", reason="the extra `vad` is not installed")

from stt.audio.io import read_audio, resample
from stt.audio.speech_detector import SpeechDetector


def digit(real_speech: Path) -> np.ndarray:
    return read_audio(real_speech / "fsdd/recordings/7_jackson_0.wav", 8_000)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050])
def test_frames_of_speech_and_a_margin_around_it_are_speech_at_any_sample_rate(real_speech: Path, rate: int) -> None:
    speech = resample(digit(real_speech), 8_000, rate)
    start, length = 2 * rate, len(speech)
    waveform = 1e-4 * np.random.default_rng(0).standard_normal(6 * rate).astype(np.float32)
    waveform[start : start + length] += speech
    hop = rate // 25
    [found] = SpeechDetector(rate).speech(torch.from_numpy(waveform)[None], hop)
    assert len(found) == 150
    heard = np.flatnonzero(found.numpy()) / 25  # seconds
    assert 1.5 < heard.min() <= 2.15
    assert 1.9 + length / rate <= heard.max() + 0.2 < 3.3 + length / rate
    assert np.all(np.diff(heard) < 0.05)


def test_noise_and_silence_are_not_speech_and_a_batch_is_judged_as_each_alone(real_speech: Path) -> None:
    rng = np.random.default_rng(0)
    speech = np.zeros(3 * 8_000, np.float32)
    speech[8_000 : 8_000 + len(digit(real_speech))] = digit(real_speech)
    rows = torch.from_numpy(np.stack([np.zeros_like(speech), speech, 0.1 * rng.standard_normal(len(speech))]))
    rows = rows.float()
    detector = SpeechDetector(8_000)
    together = detector.speech(rows, 640)
    assert together.any(dim=1).tolist() == [False, True, False]
    assert all(
        torch.equal(detector.speech(row[None], 640)[0], found) for row, found in zip(rows, together, strict=True)
    )


@pytest.mark.parametrize("samples", [1, 100, 640, 641])
def test_short_waveforms_have_all_their_frames(samples: int) -> None:
    assert SpeechDetector(8_000).speech(torch.zeros(2, samples), 640).shape == (2, -(-samples // 640))


def test_the_number_of_threads_stays_as_it_was() -> None:
    threads = torch.get_num_threads()
    code = "import torch; torch.set_num_threads(3); from stt.audio.speech_detector import SpeechDetector as S; S(8_000)"
    done = subprocess.run([sys.executable, "-c", f"{code}; print(torch.get_num_threads())"], capture_output=True)
    assert done.stdout == b"3\n"
    assert torch.get_num_threads() == threads
