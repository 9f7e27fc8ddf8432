import math

import numpy as np
import pytest
import torch
import torchaudio.functional
from hypothesis import given, settings
from hypothesis import strategies as st

from stt.audio import waveform
from stt.audio.waveform import Resampler, resample

RATES = [8_000, 11_025, 16_000, 22_050, 44_100, 48_000]


def noise(samples: int) -> np.ndarray:
    return np.random.default_rng(samples).uniform(-0.5, 0.5, samples).astype(np.float32)


@pytest.mark.parametrize("to_rate", RATES)
@pytest.mark.parametrize("from_rate", RATES)
def test_resampling_is_that_of_torchaudio(from_rate: int, to_rate: int) -> None:
    resampled = resample(noise(5_000), from_rate, to_rate)
    reference = torchaudio.functional.resample(torch.from_numpy(noise(5_000)), from_rate, to_rate).numpy()
    # torchaudio rounds the length as a 32-bit float.
    assert len(resampled) == math.ceil(5_000 * to_rate / from_rate)
    assert len(resampled) - len(reference) in (0, 1)
    np.testing.assert_allclose(resampled[: len(reference)], reference, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    from_rate=st.sampled_from([*RATES, 15_999, 192_000]),
    to_rate=st.sampled_from([8_000, 16_000, 44_100]),
    lengths=st.lists(st.integers(0, 900), min_size=1, max_size=6),
)
def test_blocks_of_any_length_equal_the_whole(from_rate: int, to_rate: int, lengths: list[int]) -> None:
    whole = noise(sum(lengths))
    resampler = Resampler(from_rate, to_rate)
    parts = [resampler(block) for block in np.split(whole, np.cumsum(lengths)[:-1])]
    joined = np.concatenate([*parts, resampler(np.empty(0, np.float32), last=True)])
    np.testing.assert_allclose(joined, resample(whole, from_rate, to_rate), atol=1e-6)


def test_a_long_waveform_is_resampled_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = resample(noise(10_000), 44_100, 16_000)
    monkeypatch.setattr(waveform, "PIECE_SAMPLES", 1_000)
    np.testing.assert_allclose(resample(noise(10_000), 44_100, 16_000), whole, atol=1e-6)
    assert len(resample(noise(0), 44_100, 16_000)) == 0


@pytest.mark.parametrize("rate", [1_000, 1_999, 7_999, 15_999, 16_001, 44_101, 999_983])
def test_the_filter_of_any_rate_is_small(rate: int) -> None:
    for resampler in (Resampler(rate, 16_000), Resampler(16_000, rate)):
        assert max(resampler.up, resampler.down) <= waveform.MAX_RATIO
    assert len(resample(noise(rate), rate, 16_000)) == pytest.approx(16_000, rel=5e-4)


def test_the_length_of_hours_is_exact() -> None:
    samples = (1 << 24) + 1
    assert len(resample(np.zeros(samples, np.float32), 8_000, 16_000)) == 2 * samples
