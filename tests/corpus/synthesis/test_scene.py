from pathlib import Path

import numpy as np
import pytest
import soundfile

from stt.corpus.synthesis.scene import Recordings, Scenes, store_recordings
from stt.errors import InputError

RATE = 16_000
SPEECH = np.sin(np.arange(RATE) / 5).astype(np.float32)


def record(scenes: Scenes, seed: int) -> np.ndarray:
    return scenes.record(SPEECH, np.random.default_rng(seed))


def test_scenes_differ_and_depend_on_the_random_generator_alone() -> None:
    scenes = Scenes(RATE, Recordings())
    waveforms = [record(scenes, seed) for seed in range(40)]
    assert len({waveform.tobytes() for waveform in waveforms}) == len(waveforms)
    assert all(np.array_equal(record(scenes, seed), waveforms[seed]) for seed in range(5))
    for waveform in waveforms:
        assert waveform.dtype == np.float32
        assert 0.05 < np.abs(waveform).max() <= 1
        assert 1.1 <= len(waveform) / RATE < 2.3, "half a second before and after, and reverberation"


def test_recordings_are_mixed_into_the_speech(tmp_path: Path) -> None:
    time = np.arange(RATE) / RATE
    for folder, waveform in {"noise": np.sin(2 * np.pi * 3000 * time), "rirs": np.eye(1, 800)[0]}.items():
        (tmp_path / folder).mkdir()
        soundfile.write(tmp_path / folder / "a.wav", waveform, RATE)
    stored = store_recordings(tmp_path / "noise", tmp_path / "rirs", RATE, tmp_path / "stored")
    assert stored.noise is not None
    assert np.load(stored.noise).shape == (RATE,)

    def share_of_3_khz(waveform: np.ndarray) -> float:
        spectrum = np.abs(np.fft.rfft(waveform)) ** 2
        frequency = np.fft.rfftfreq(len(waveform), 1 / RATE)
        return float(spectrum[np.abs(frequency - 3000) < 20].sum() / spectrum.sum())

    shares = [share_of_3_khz(record(Scenes(RATE, stored), seed)) for seed in range(30)]
    assert 5 < sum(share > 1e-4 for share in shares) < 25, "half of the utterances have recorded noise"
    assert max(share_of_3_khz(record(Scenes(RATE, Recordings()), seed)) for seed in range(30)) < 0.05


@pytest.mark.parametrize("option", ["noise", "rirs"])
def test_a_folder_without_recordings_is_an_error(option: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    folders = {"noise": None, "rirs": None} | {option: tmp_path / "empty"}
    with pytest.raises(InputError, match="no readable audio"):
        store_recordings(**folders, sample_rate=RATE, folder=tmp_path / "stored")
