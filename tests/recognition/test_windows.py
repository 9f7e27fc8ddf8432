from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt.audio.io import Waveform
from stt.recognition.windows import SHORTEST, Window, cut_windows

HOP = 10


def blocks_of(waveform: Waveform, sizes: list[int]) -> list[Waveform]:
    ends = np.cumsum(sizes)
    return [*np.split(waveform, ends[ends < len(waveform)])]


def cores(windows: list[Window]) -> list[Waveform]:
    return [
        one.samples[one.before * HOP : None if one.core is None else (one.before + one.core) * HOP] for one in windows
    ]


@given(
    st.integers(1, 3_000),
    st.lists(st.integers(0, 700), max_size=12),
    st.integers(1, 60),
    st.integers(0, 20),
    st.integers(0, 5),
    st.integers(0, 1_000),
)
def test_cores_follow_each_other_and_context_is_what_surrounds_them(
    length: int, sizes: list[int], longest: int, context: int, pause: int, whole: int
) -> None:
    waveform = np.random.default_rng(length).standard_normal(length).astype(np.float32)
    windows = list(cut_windows(blocks_of(waveform, sizes), HOP, longest * HOP, context * HOP, pause * HOP, whole))
    np.testing.assert_array_equal(np.concatenate(cores(windows)), waveform)
    assert windows[-1].core is None
    assert (len(windows) == 1) == (length <= max(whole, longest * HOP))
    assert [one.core for one in windows[:-1]] == [b.start - a.start for a, b in pairwise(windows)]
    for one in windows:
        first = (one.start - one.before) * HOP
        np.testing.assert_array_equal(one.samples, waveform[first : first + len(one.samples)])
        assert one.before == min(one.start, context)
        if one.core is not None:
            assert round(SHORTEST * longest) <= one.core <= longest
            assert len(one.samples) == min((one.before + one.core + context) * HOP, length - first)
        else:
            assert len(one.samples) - one.before * HOP <= (longest * HOP if one.start else max(longest * HOP, whole))


@given(st.lists(st.integers(0, 700), max_size=12))
def test_windows_do_not_depend_on_how_the_recording_is_read(sizes: list[int]) -> None:
    waveform = np.random.default_rng(0).standard_normal(2_345).astype(np.float32)
    whole = list(cut_windows([waveform], HOP, 500, 60, 20, 700))
    parts = list(cut_windows(blocks_of(waveform, sizes), HOP, 500, 60, 20, 700))
    assert [(one.start, one.before, one.core, one.samples.tolist()) for one in whole] == [
        (one.start, one.before, one.core, one.samples.tolist()) for one in parts
    ]


def test_a_cut_is_in_a_pause_and_not_at_its_edge() -> None:
    waveform = np.ones(2_000, np.float32)
    waveform[700:800] = 0.01
    first, *_ = cut_windows([waveform], HOP, 1_000, 0, 40, 0)
    assert first.core in (74, 75, 76)


def test_a_recording_without_samples_has_no_window() -> None:
    assert list(cut_windows([np.zeros(0, np.float32)], HOP, 500, 50, 20, 0)) == []
    assert list(cut_windows([], HOP, 500, 50, 20, 0)) == []


@pytest.mark.parametrize("length", [1, HOP, 500, 501, 900])
def test_a_short_recording_is_one_window_without_context(length: int) -> None:
    [window] = cut_windows([np.ones(length, np.float32)], HOP, 500, 50, 20, 900)
    assert (len(window.samples), window.start, window.before, window.core) == (length, 0, 0, None)


def test_no_more_is_read_than_a_window_and_a_block() -> None:
    read = 0

    def blocks() -> object:
        nonlocal read
        for _ in range(10_000):
            read += 100
            yield np.zeros(100, np.float32)

    for number, window in enumerate(cut_windows(blocks(), HOP, 1_000, 50, 20, 0)):
        assert read <= window.start * HOP + 1_000 + 50 + 2 * 100
        if number == 50:
            break
