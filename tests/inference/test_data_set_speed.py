import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stt.inference.data_set_speed import _by_length


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(1, 100))
def test_batches_hold_every_clip_once_and_no_more_samples_than_allowed(sizes: list[int], limit: int) -> None:
    clips = [np.full(size, i, np.float32) for i, size in enumerate(sizes)]
    seen = []
    for x, lengths in _by_length(clips, limit):
        assert len(x) == 1 or x.size <= limit or x.shape[1] == 0
        seen += [row[:n].tolist() for row, n in zip(x, lengths.tolist(), strict=True)]
    assert sorted(seen) == sorted(clip.tolist() for clip in clips)
