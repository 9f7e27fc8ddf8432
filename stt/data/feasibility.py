"""Filtering of training rows before the first step: duration limits, usable text, CTC feasibility."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from stt.data.batch import Skipped
from stt.data.dataset import PreprocessingProtocol, UtteranceDataset
from stt.data.text_frames import UNUSABLE, text_frames
from stt.errors import InputError

NOT_ALIGNABLE = "not alignable"  # kind of what has fewer frames than its text needs
CHUNK_ROWS = 1_000_000  # for which output lengths are computed at once; limits memory


def feasible_rows(
    dataset: UtteranceDataset, preprocessing: PreprocessingProtocol, min_seconds: float, max_seconds: float
) -> tuple[npt.NDArray[np.bool_], list[Skipped]]:
    """Return a mask of the rows that can be trained on, and the skipped rows with the reason.

    A row is skipped if its duration is outside the limits (seconds), if its text is empty or
    outside the tokenizer's alphabet, or if CTC cannot align it: fewer output frames than tokens plus repeats.
    """
    manifest = dataset.manifest
    needed, available = text_frames(dataset), _output_frames(manifest.durations, preprocessing)
    within_limits = (manifest.durations >= min_seconds) & (manifest.durations <= max_seconds)
    keep = within_limits & (needed <= available)

    rows = np.flatnonzero(~keep)
    # In memory, because these are read row by row.
    skipped = UtteranceDataset(manifest.filter(~keep), preprocessing, training=True)

    def reason(i: int, row: int) -> tuple[str, str]:
        if not within_limits[row]:
            return "duration", f"{manifest.durations[row]:.2f} s is outside {min_seconds:g}..{max_seconds:g} s"
        if needed[row] < UNUSABLE:
            return NOT_ALIGNABLE, f"CTC needs {needed[row]} frames, there are {available[row]}"
        try:
            skipped.target(i)
        except InputError as error:
            return "unusable text", str(error)
        raise AssertionError(f"{manifest.where(row)}: the text was rejected at first, but not when checked again")

    def item(i: int, row: int) -> Skipped:
        return Skipped(row, skipped.manifest.name(i), str(manifest.value(row, "domain")), *reason(i, row))

    return keep, [item(i, row) for i, row in enumerate(rows.tolist())]


def _output_frames(durations: npt.NDArray[np.float32], preprocessing: PreprocessingProtocol) -> npt.NDArray[np.int32]:
    """Return the number of output frames of each row (row,)."""
    frames = np.empty(len(durations), np.int32)
    for start in range(0, len(durations), CHUNK_ROWS):
        samples = durations[start : start + CHUNK_ROWS].astype(np.float64) * preprocessing.sample_rate
        frames[start : start + CHUNK_ROWS] = preprocessing.output_lengths(torch.from_numpy(samples).long()).numpy()
    return frames
