"""Writes what a labelling has given: kept and rejected rows, and how far the confidences can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from stt.corpus.manifest import write_manifest
from stt.corpus.rejection import rejected_path
from stt.corpus.report import Report
from stt.corpus.sharding.job import Job
from stt.curation.label.calibration import cross_fitted
from stt.curation.label.outcome import Choice, calibration_by_domain, hours_by_domain, notes, observed_of
from stt.curation.label.reliability import Reliability, plot, write_report
from stt.errors import InputError
from stt.files import delete_output


@dataclass(frozen=True)
class Labelled:
    """Recognized rows, and what is kept of them.

    Attributes:
        rows: that are labelled.
        known: of the calibration.
        choice: what is kept.
        max_wer: that was asked for.
    """

    rows: pa.Table
    known: pa.Table
    choice: Choice
    max_wer: float


def paths_beside(out: Path) -> Sequence[Path]:
    """Return the paths of the rejected rows, and of the calibration as JSON and as a picture."""
    return [rejected_path(out), *map(out.with_suffix, (".calibration.json", ".calibration.png"))]


def write_labelled(labelled: Labelled, job: Job, report: Report, normalizer: str) -> None:
    """Write the rejected rows, the calibration, and last the kept rows, whose texts have this normalizer.

    Raises:
        InputError: nothing is kept.
    """
    listed, figures_path, picture_path = paths_beside(job.result)
    rows, choice = labelled.rows, labelled.choice
    by_domain = calibration_by_domain(labelled.known, choice)
    _write_calibration(labelled, by_domain, figures_path, picture_path)
    keep = choice.keep(rows)
    rejected = choice.rejected(rows)
    if len(rejected):
        write_manifest(rejected, listed, job.manifest.normalizer, job.step(rejected, report))
    else:
        delete_output(listed)  # of an attempt with another --max-wer that has kept nothing
    if not keep.any():
        raise InputError(
            f"{job.manifest.path}: none of {len(rows):,} rows is sure enough for --max-wer {labelled.max_wer:g}; "
            f"all are listed in {listed}"
        )
    kept = choice.kept(rows)
    told = notes(hours_by_domain(rows, keep), choice.expected_wer(rows), by_domain)
    write_manifest(kept, job.result, normalizer, job.step(kept, report, told))


def _write_calibration(
    labelled: Labelled, by_domain: dict[str, dict[str, object]], figures: Path, picture: Path
) -> None:
    observed, calibration = observed_of(labelled.known), labelled.choice.calibration
    parts = {
        "before calibration": Reliability.of(-np.expm1(observed.scores), observed),
        "after calibration": Reliability.of(cross_fitted(observed), observed),
    }
    level = np.diff(calibration.wers) == 0
    inner = np.concatenate([[False], level]) & np.concatenate([level, [False]])  # of a level part; they tell nothing
    points = {"scores": calibration.scores[~inner].tolist(), "wers": calibration.wers[~inner].tolist()}
    chosen = {"max_wer": labelled.max_wer, "min_score": labelled.choice.min_score}
    write_report({**chosen, "domains": by_domain, "calibration": points}, parts, figures)
    plot(parts, picture)
