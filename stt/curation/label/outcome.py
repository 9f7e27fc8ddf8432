"""What becomes of labels: kept rows with the machine's texts, rejected ones with the reason, and figures of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stt.corpus import rejection
from stt.corpus.columns import COLUMNS, decode_dictionary, with_column, without_columns
from stt.corpus.labels import LABELLED_BY, MACHINE
from stt.curation.label.calibration import Calibration, Observed
from stt.curation.label.labeller import COLUMNS as WORKING
from stt.curation.label.labeller import EDITS, SCORE, TEXT, WORDS
from stt.curation.label.reliability import interval
from stt.errors import InputError

CONFIDENCE, ORIGINAL = "confidence", "original"
EMPTY = "empty hypothesis"  # the rule by which what nobody says is rejected, whatever its score


@dataclass(frozen=True)
class Choice:
    """What is kept.

    Attributes:
        calibration: of scores to expected word error rates.
        min_score: lowest score of what is kept.
    """

    calibration: Calibration
    min_score: float

    def raised(self, table: pa.Table, max_wer: float) -> Choice:
        """Return a choice that keeps the labelled rows, too, to the expected word error rate that is wanted."""
        said = table.filter(pa.array(_said(table)))
        score = self.calibration.lowest_score_of(_floats(said, SCORE), _words(said), max_wer)
        return Choice(self.calibration, max(self.min_score, score))

    def keep(self, table: pa.Table) -> npt.NDArray[np.bool_]:
        """Return which labelled rows (row,) are kept."""
        return np.asarray((_floats(table, SCORE) >= self.min_score) & _said(table))

    def kept(self, table: pa.Table) -> pa.Table:
        """Return the kept rows: the machine's text, its confidence and who labelled; the text before as `original`."""
        table = table.filter(pa.array(self.keep(table)))
        texts = table["text"]
        if pc.any(pc.not_equal(texts, "")).as_py():
            table = with_column(table, ORIGINAL, texts)
        table = with_column(table, "text", table[TEXT])
        table = with_column(table, "cer", pa.nulls(len(table), COLUMNS["cer"]))
        table = with_column(table, CONFIDENCE, self._confidence(table))
        table = with_column(table, LABELLED_BY, pa.array([MACHINE] * len(table), pa.string()))
        return without_columns(table, *WORKING, *rejection.COLUMNS)

    def rejected(self, table: pa.Table) -> pa.Table:
        """Return the other rows as they were, with the hypothesis, its confidence, and rule, figure and limit."""
        table = table.filter(pa.array(~self.keep(table)))
        said = _said(table)
        table = without_columns(table, *rejection.COLUMNS)
        table = with_column(table, "hypothesis", table[TEXT])
        table = with_column(table, "cer", pa.nulls(len(table), COLUMNS["cer"]))  # not that of another hypothesis
        table = with_column(table, CONFIDENCE, self._confidence(table))
        table = with_column(table, "rule", pa.array([CONFIDENCE if one else EMPTY for one in said], pa.string()))
        table = with_column(table, "figure", pa.array(np.where(said, _floats(table, SCORE), 0.0)))
        table = with_column(table, "limit", pa.array(np.where(said, self.min_score, 1.0)))
        return table.drop_columns(list(WORKING))

    def _confidence(self, table: pa.Table) -> pa.Array:
        confidence = self.calibration.confidence(_floats(table, SCORE))
        return pa.array(np.where(_said(table), confidence, 0.0).astype(np.float32))

    def expected_wer(self, table: pa.Table) -> float:
        """Return the expected word error rate of the kept rows, weighted by words of the hypotheses."""
        table = table.filter(pa.array(self.keep(table)))
        return float(np.average(self.calibration.expected_wer(_floats(table, SCORE)), weights=_words(table)))


def observed_of(table: pa.Table) -> Observed:
    """Return what is known of the labelled rows that have a text, but for empty hypotheses, which are never kept."""
    return Observed(*(_floats(table.filter(pa.array(_judged(table))), name) for name in (SCORE, EDITS, WORDS)))


def choose(observed: Observed, max_wer: float, name: str) -> Choice:
    """Calibrate, and find the lowest score that keeps the expected word error rate within `max_wer`.

    Raises:
        InputError: no score does, or there are no two utterances.
    """
    if len(observed) < 2:
        raise InputError(
            f"--calibrate {name}: {len(observed)} rows have a text and are recognized, too few to calibrate"
        )
    calibration = Calibration.fit(observed)
    score = calibration.lowest_score(max_wer)
    if score is None:
        least = calibration.kept_wers()
        count = int((observed.scores >= calibration.scores[::-1][least.argmin()]).sum())
        raise InputError(
            f"--max-wer {max_wer:g}: no confidence reaches it; the surest {count:,} of {len(observed):,} utterances of "
            f"{name} have an expected WER of {100 * least.min():.1f} % (counting in one more that is all wrong), all "
            f"have {100 * observed.wer:.1f} %: allow more, calibrate with more utterances, or use a better checkpoint"
        )
    return Choice(calibration, score)


def calibration_by_domain(table: pa.Table, choice: Choice) -> dict[str, dict[str, Any]]:
    """Return by domain what is observed on the calibration's rows: utterances, WER, and both of what is kept."""
    table = table.filter(pa.array(_judged(table)))
    observed, keep = observed_of(table), choice.keep(table)
    domains = np.array(_domains(table))
    figures = {}
    for domain in [*sorted(set(domains.tolist())), None]:
        rows = np.ones(len(table), np.bool_) if domain is None else domains == domain
        kept = observed.where(rows & keep)
        figures["all" if domain is None else domain] = {
            "utterances": int(rows.sum()),
            "wer": observed.where(rows).wer,
            "kept": len(kept),
            "kept_wer": kept.wer if len(kept) else None,
            "kept_wer_95": list(interval(kept)) if len(kept) else None,
        }
    return figures


def hours_by_domain(table: pa.Table, keep: npt.NDArray[np.bool_]) -> dict[str, tuple[float, float]]:
    """Return by domain the hours that are kept, and all hours."""
    domains, hours = np.array(_domains(table)), _floats(table, "duration") / 3600
    return {
        domain: (float(hours[rows & keep].sum()), float(hours[rows].sum()))
        for domain in sorted(set(domains.tolist()))
        for rows in [domains == domain]
    }


def notes(
    hours: Mapping[str, tuple[float, float]], expected_wer: float, by_domain: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """Return what the command prints and the record keeps."""
    lines = {}
    total = [sum(one[i] for one in hours.values()) for i in (0, 1)]
    for name, (kept, every) in [("kept", total), *((f"kept of {name}", pair) for name, pair in hours.items())]:
        lines[name] = f"{kept:.2f} of {every:.2f} h ({100 * kept / every:.1f} %)"
    lines["expected WER"] = f"{100 * expected_wer:.1f} %"
    seen = by_domain["all"]
    if not seen["kept"]:
        lines["calibration"] = "no utterance is as sure, so that the rate is a guess"
        return lines
    low, high = seen["kept_wer_95"]
    lines["calibration"] = (
        f"{seen['kept']:,} of {seen['utterances']:,} utterances are as sure, and have a WER of "
        f"{100 * seen['kept_wer']:.1f} % (95 % interval {100 * low:.1f} to {100 * high:.1f} %)"
    )
    return lines


def _said(table: pa.Table) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.not_equal(table[TEXT], "").to_numpy(), np.bool_)


def _words(table: pa.Table) -> npt.NDArray[np.float64]:
    return np.array([len(text.split()) for text in table[TEXT].to_pylist()], np.float64)


def _judged(table: pa.Table) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.is_valid(table[EDITS]).to_numpy(), np.bool_) & _said(table)


def _domains(table: pa.Table) -> list[str]:
    return [name for chunk in table["domain"].chunks for name in decode_dictionary(chunk).to_pylist()]


def _floats(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    return np.asarray(table[name].to_numpy(), np.float64)
