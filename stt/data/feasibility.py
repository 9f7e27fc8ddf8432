"""Which rows of a training manifest can be trained on, decided before the first step."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from stt.data.batch import LeftOut
from stt.data.dataset import Reader, UtteranceDataset
from stt.errors import InputError
from stt.models.ctc import frames_needed
from stt.progress import track


def feasible_rows(
    dataset: UtteranceDataset, reader: Reader, min_seconds: float, max_seconds: float
) -> tuple[npt.NDArray[np.bool_], list[LeftOut]]:
    """Tell for every row whether it can be trained on; name and explain those that cannot.

    A row is left out if it is shorter or longer than the limits (seconds), if its text is empty or
    outside the tokenizer, or if CTC cannot align it: fewer output frames than tokens plus repeats.
    """
    manifest = dataset.manifest
    keep = np.ones(len(manifest), dtype=bool)
    left_out = []
    samples = torch.from_numpy(manifest.durations.astype(np.float64) * reader.sample_rate).long()
    frames = reader.output_lengths(samples).numpy()
    for row in track(range(len(manifest)), "checking texts"):
        seconds = float(manifest.durations[row])
        kind, reason = "", ""
        if not min_seconds <= seconds <= max_seconds:
            kind, reason = "duration", f"{seconds:.2f} s is outside {min_seconds:g}..{max_seconds:g} s"
        else:
            try:
                needed = frames_needed(dataset.target(row)[1])
                if needed > frames[row]:
                    kind, reason = "not alignable", f"{needed} frames are needed, there are {frames[row]}"
            except InputError as error:
                kind, reason = "unusable text", str(error)
        if kind:
            keep[row] = False
            left_out.append(LeftOut(row, manifest.name(row), kind, reason))
    return keep, left_out
