"""Which rows of a training manifest can be trained on, decided before the first step."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from stt.data.batch import Skipped
from stt.data.dataset import Reader, UtteranceDataset
from stt.data.text_frames import UNUSABLE, text_frames
from stt.errors import InputError

ROWS = 1_000_000  # whose output lengths are computed at once; bounds the memory


def feasible_rows(
    dataset: UtteranceDataset, reader: Reader, min_seconds: float, max_seconds: float
) -> tuple[npt.NDArray[np.bool_], list[Skipped]]:
    """Tell for every row whether it can be trained on; name and explain those that cannot.

    A row is left out if it is shorter or longer than the limits (seconds), if its text is empty or
    outside the tokenizer, or if CTC cannot align it: fewer output frames than tokens plus repeats.
    """
    manifest = dataset.manifest
    needed, there = text_frames(dataset), _output_frames(manifest.durations, reader)
    in_time = (manifest.durations >= min_seconds) & (manifest.durations <= max_seconds)
    keep = in_time & (needed <= there)

    rows = np.flatnonzero(~keep)
    others = UtteranceDataset(manifest.only(~keep), reader, training=True)  # in memory, which reading row by row wants

    def explained(i: int, row: int) -> tuple[str, str]:
        if not in_time[row]:
            return "duration", f"{manifest.durations[row]:.2f} s is outside {min_seconds:g}..{max_seconds:g} s"
        if needed[row] < UNUSABLE:
            return "not alignable", f"{needed[row]} frames are needed, there are {there[row]}"
        try:
            others.target(i)
        except InputError as error:
            return "unusable text", str(error)
        raise AssertionError(f"{manifest.where(row)}: the text was refused, and now it is not")

    return keep, [Skipped(row, others.manifest.name(i), *explained(i, row)) for i, row in enumerate(rows.tolist())]


def _output_frames(durations: npt.NDArray[np.float32], reader: Reader) -> npt.NDArray[np.int32]:
    """Output frames of each row (row,)."""
    frames = np.empty(len(durations), np.int32)
    for start in range(0, len(durations), ROWS):
        samples = durations[start : start + ROWS].astype(np.float64) * reader.sample_rate
        frames[start : start + ROWS] = reader.output_lengths(torch.from_numpy(samples).long()).numpy()
    return frames
