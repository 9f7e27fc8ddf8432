from collections.abc import Iterator

import numpy as np
import pytest

from stt.recognition.pauses import KEPT_SECONDS, LONG_SECONDS, heard_frames, with_loudness
from stt.recognition.windows import Window

RATE, HOP = 8_000, 640  # frames of 80 ms


def noise(seconds: float, decibels: float, seed: int = 0) -> np.ndarray:
    """Noise of some seconds, at decibels of full scale."""
    samples = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return (10 ** (decibels / 20) * samples).astype(np.float32)


def heard(*parts: np.ndarray, speech: np.ndarray | None = None) -> np.ndarray:
    return heard_frames(np.concatenate(parts), HOP, RATE, speech=speech)


@pytest.mark.parametrize("decibels", [-200, -80, -50])
def test_most_of_a_long_pause_is_left_out(decibels: float) -> None:
    """Whether it is digital silence or a quiet room."""
    kept = heard(noise(1.6, -20), noise(4, decibels), noise(1.6, -20))
    margin = round(KEPT_SECONDS * RATE / HOP)
    assert np.flatnonzero(~kept).tolist() == list(range(20 + margin, 70 - margin))


def test_at_the_beginning_and_the_end_only_the_side_of_the_speech_is_kept() -> None:
    kept = heard(noise(1.6, -90), noise(1.6, -20), noise(1.6, -90))
    assert np.flatnonzero(kept).tolist() == list(range(18, 42))


def test_short_pauses_and_recordings_without_speech_are_heard_whole() -> None:
    assert heard(noise(1.6, -20), noise(LONG_SECONDS - 0.16, -90), noise(1.6, -20)).all()
    assert heard(noise(5, -50)).all()
    assert len(heard(np.zeros(0, np.float32))) == 0


def test_of_silence_nothing_is_heard() -> None:
    assert not heard(np.zeros(5 * RATE, np.float32)).any()


@pytest.mark.parametrize(("ahead", "first"), [(0, 1), (1, 0), (4, 0)])
def test_a_window_of_a_noisy_pause_is_told_by_the_speech_around_it(ahead: int, first: float) -> None:
    windows = [Window(noise(2, level), 25 * i, 0, 25) for i, level in enumerate((-50, -20, -50, -50, -30))]
    with_levels = list(with_loudness(iter(windows), HOP, ahead))
    assert [one.start for one in with_levels] == [0, 25, 50, 75, 100]
    shares = [heard_frames(one.samples, HOP, RATE, one.loudest).mean() for one in with_levels]
    assert shares == [first, 1, 0, 0, 1]


def test_a_stream_does_not_wait_for_windows_to_come() -> None:
    taken = []

    def windows() -> Iterator[Window]:
        for i in range(9):
            taken.append(i)
            yield Window(noise(2, -20), 25 * i, 0, 25)

    next(with_loudness(windows(), HOP, ahead=0))
    assert taken == [0]


def test_a_soft_voice_after_a_loud_one_is_heard() -> None:
    """It is 25 dB softer, but far above the noise."""
    soft = [noise(0.32, -60 if i % 2 else -45, i) for i in range(10)]
    kept = heard(noise(3.2, -20), noise(3.2, -75), *soft)
    assert kept[-40:].all()
    assert not kept[45:75].any()


def test_what_a_detector_does_not_take_for_speech_is_a_pause() -> None:
    loud = noise(6.4, -20)
    speech = np.ones(80, np.bool_)
    speech[20:60] = speech[70:72] = False
    assert np.flatnonzero(~heard(loud, speech=speech)).tolist() == list(range(22, 58))
