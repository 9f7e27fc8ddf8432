from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from stt.corpus.manifest import Manifest
from stt.curation.clean.evidence import Evidence
from stt.curation.clean.label_rules import label_error
from stt.curation.clean.limits import Limits
from stt.curation.clean.measure import FIGURES

LIMITS = Limits(0, 99, 0, 99, 1, -100, 1, -100, 1, None, None, 0.55)
LEARNED = {"text": "раз два три", "cer": 0.05, "loss": 0.1, "other_loss": 4.0}


def judged(*odd: dict[str, Any], others: dict[str, Any] = LEARNED, count: int = 20) -> list[bool]:
    """Judge labels beside others of the domain; return which of them are label errors, and no other is."""
    rows = [LEARNED | one for one in odd] + [others] * count
    figures = pa.table(
        [pa.array([row.get(field.name) for row in rows], field.type) for field in FIGURES], schema=FIGURES
    )
    table = pa.table({name: [row[name] for row in rows] for name in ("text",)})
    table = table.append_column("domain", pa.array(["a"] * len(rows)).dictionary_encode())
    found = label_error(Evidence(Manifest(table, Path("m.parquet")), figures, LIMITS))
    assert found is not None
    assert not found.broken[len(odd) :].any()
    return [bool(one) for one in found.broken[: len(odd)]]


def test_a_text_as_unlikely_as_another_is_an_error_and_hard_audio_is_not() -> None:
    assert judged({"loss": 3.8, "cer": 0.9}, {"loss": 1.5, "cer": 0.5}) == [True, False]


def test_a_text_of_which_half_is_missing_is_an_error_though_its_loss_is_low() -> None:
    assert judged({"text": "раз", "cer": 8 / 3, "loss": 0.4}) == [True]


def test_a_single_word_that_is_not_recognized_is_no_error_unless_its_loss_says_so() -> None:
    assert judged({"text": "два", "cer": 1.0, "loss": 0.4}, {"text": "два", "cer": 1.0, "loss": 3.0}) == [False, True]


def test_what_is_not_known_is_no_error_and_a_text_that_is_too_long_for_its_audio_is_one() -> None:
    unknown = {"cer": np.nan, "loss": np.nan, "other_loss": np.nan}
    assert judged(unknown, {"loss": np.inf}, {"loss": np.nan}) == [False, True, False]


def test_label_errors_do_not_hide_each_other() -> None:
    wrong = {"loss": 0.5, "cer": 0.9}
    assert judged(*[wrong] * 8) == [True] * 8


def test_a_domain_of_which_too_little_is_recognized_is_not_judged() -> None:
    assert judged({"loss": 4.0}, others=LEARNED | {"cer": 0.8}) == [False]
