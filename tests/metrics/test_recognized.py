from dataclasses import replace
from pathlib import Path

import pytest

from stt.errors import InputError
from stt.metrics.recognized import RecognizedUtterance, read_recognized, worst_per_domain, write_recognized

ONE = RecognizedUtterance(1, "a.wav", "radio", "/x/a.wav", 0.0, 1.5, 30.0, "abcd", "abcd", 0.9)


def test_utterances_are_read_back_sorted_by_row(tmp_path: Path) -> None:
    items = [replace(ONE, row=3, hypothesis="äöü"), ONE]
    write_recognized(items, tmp_path / "recognized" / "test.jsonl")
    assert read_recognized(tmp_path / "recognized" / "test.jsonl") == items[::-1]


def test_an_invalid_line_is_reported_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    write_recognized([ONE], path)
    path.write_text(path.read_text() + '{"row": 2}\n')
    with pytest.raises(InputError, match=r"test\.jsonl:2"):
        read_recognized(path)
    with pytest.raises(InputError, match="no such file"):
        read_recognized(tmp_path / "missing.jsonl")


def test_the_worst_utterances_of_each_domain_come_first() -> None:
    items = [
        replace(ONE, row=1, hypothesis="abcd"),
        replace(ONE, row=2, hypothesis="a"),
        replace(ONE, row=3, hypothesis="ab"),
        replace(ONE, row=4, domain="calls"),
    ]
    assert [item.row for item in worst_per_domain(items, 2)] == [4, 2, 3]
    assert worst_per_domain(items, 0) == []
