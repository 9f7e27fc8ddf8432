"""The utterances that the curriculum of a training suspects of label errors, found again in a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stt.errors import InputError
from stt.sampling.base import Utterances, find_keys
from stt.sampling.curriculum.label_errors import score_threshold
from stt.sampling.observations import Floats, Rows


class Suspects(NamedTuple):
    """Suspected label errors, worst first.

    Attributes:
        rows: of the manifest (n,).
        scores: mean label-error scores (n,); 0: the label fits, 1: no better than a random one.
        limits: scores above which labels with so many observations are suspected (n,).
        observations: number of scores (n,).
        hypotheses: what was recognized last, by row.
    """

    rows: Rows
    scores: Floats
    limits: Floats
    observations: Rows
    hypotheses: dict[int, str]


def sampler_state(checkpoint: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the curriculum's state in the content of a checkpoint.

    Raises:
        InputError: the training did not use a curriculum.
    """
    state = checkpoint.get("SpeechDataModule", {}).get("stream", {}).get("sampler", {})
    if "ledger" not in state:
        raise InputError(f"{path}: this run has no curriculum: it was trained with another sampler")
    return dict(state)


def find_suspects(state: Mapping[str, Any], utterances: Utterances) -> Suspects:
    """Return the suspects among the utterances of a manifest, by their ids.

    Those whose texts were corrected since are not among them: their scores no longer apply.

    Args:
        state: result of `sampler_state`.
        utterances: those of the manifest.
    """
    entries = find_keys(state["keys"].numpy(), utterances.keys)
    known = np.flatnonzero(entries >= 0)
    entries = entries[known]
    suspected = state["label_errors"].numpy()[entries] & (state["texts"].numpy()[entries] == utterances.texts[known])
    rows, entries = known[suspected], entries[suspected]
    scores = state["ledger"]["label_score"].numpy()[entries].astype(np.float32)
    order = np.argsort(-scores, kind="stable")
    rows, entries, scores = rows[order], entries[order], scores[order]
    observations = state["ledger"]["label_observations"].numpy()[entries].astype(np.int64)
    texts = dict(zip(state["hypotheses"]["rows"].tolist(), state["hypotheses"]["texts"], strict=True))
    pairs = zip(rows.tolist(), entries.tolist(), strict=True)
    hypotheses = {row: texts[entry] for row, entry in pairs if entry in texts}
    return Suspects(rows, scores, score_threshold(observations), observations, hypotheses)
