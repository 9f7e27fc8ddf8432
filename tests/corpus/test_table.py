import json
import re
from pathlib import Path

import pytest

from stt.corpus.table import read_records, read_table
from stt.errors import InputError


def errors(path: Path, content: str) -> dict[int, str]:
    path.write_bytes(content.encode())
    return {record.line: record.error for record in read_records(path)[1] if record.error}


def values(path: Path) -> list[tuple[object, ...]]:
    return [tuple(record.cells.values()) for record in read_records(path)[1] if not record.error]


def test_a_stray_quotation_mark_in_csv_costs_its_own_row(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = ["audio,text", 'a,"one', "b,two", 'c,"three, ""3"""', 'd,fo"ur', 'e,"five" x']
    found = errors(path, "\n".join(rows))
    assert list(found) == [2, 6]
    assert "a quoted field does not end on its line" in found[2]
    assert values(path) == [("b", "two"), ("c", 'three, "3"'), ("d", 'fo"ur')]


def test_a_spreadsheet_may_separate_csv_by_semicolons(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    assert errors(path, '\ufeffaudio;text\na;one, two\nb;"three; four"\nc;five;six') == {
        4: "the line has 3 fields instead of 2"
    }
    assert values(path) == [("a", "one, two"), ("b", "three; four")]
    assert errors(path, "audio,text\na,one; two") == {}
    assert values(path) == [("a", "one; two")]


def test_tsv_has_no_quoting(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    assert errors(path, 'audio\ttext\na\t"one\nb\ttwo"\nc\t"three"') == {}
    assert values(path) == [("a", '"one'), ("b", 'two"'), ("c", '"three"')]


@pytest.mark.parametrize(
    ("name", "content", "line", "message"),
    [
        ("t.csv", 'a,b\n1,2\n1,"x\ny"\n', 3, "a quoted field does not end on its line"),
        ("t.csv", "a,b\n1,2,3\n", 2, "the line has 3 fields instead of 2"),
        ("t.tsv", "a\tb\n1\n", 2, "the line has 1 fields instead of 2"),
        ("t.csv", "a,b\n1,2\r3\n", 2, "a carriage return"),
        ("t.csv", f"a,b\n1,{'x' * 2_000_000}\n", 2, "the line is longer than 1 MB"),
        ("t.tsv", f"a\tb\n1\t{'x' * 2_000_000}\n", 2, "the line is longer than 1 MB"),
        ("t.jsonl", '{"a": 1}\n\n{"a": }\n', 3, "not valid JSON"),
        ("t.jsonl", '{"a": 1, "a": 2}', 1, "a key occurs twice"),
        ("t.jsonl", '{"a": "\\ud83d"}', 1, "not valid Unicode"),
        ("t.jsonl", "[" * 100_000, 1, "nested too deeply"),
        ("t.jsonl", '{"a": ' + '[{"b": ' * 200 + "1" + "}]" * 200 + "}", 1, "nested too deeply"),
        ("t.jsonl", "[1]", 1, "not a JSON object"),
    ],
)
def test_a_bad_row_is_an_error_of_its_line(tmp_path: Path, name: str, content: str, line: int, message: str) -> None:
    assert message in errors(tmp_path / name, content)[line]
    with pytest.raises(InputError, match=f"{name}:{line}: "):
        read_table(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("text", ["x"], "text is not a string: ['x']"),
        ("audio", {"a": 1}, "audio is not a string: {'a': 1}"),
        ("duration", True, "duration is not a number: True"),
        ("byte_offset", 1.5, "byte_offset is not an integer: 1.5"),
    ],
)
def test_a_manifest_of_json_is_as_strict_as_an_import(tmp_path: Path, name: str, value: object, message: str) -> None:
    good = {"audio": "a.wav", "text": 7, "duration": "1.5", "domain": "d", "byte_offset": 1.0, "votes": ["x"]}
    lines = [json.dumps(row) for row in (good, good, {**good, name: value})]
    (tmp_path / "t.jsonl").write_text("\n".join(lines[:2]))
    assert read_table(tmp_path / "t.jsonl").num_rows == 2
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    with pytest.raises(InputError, match=re.escape(f"t.jsonl:3: {message}")):
        read_table(tmp_path / "t.jsonl")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b,a\n1,2,3\n", "duplicate column a"),
        ('"a,b\n1,2\n', "a quoted field does not end"),
        ("a,b\r1,2\r", "carriage"),
    ],
)
def test_a_bad_header_is_one_sentence(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(content.encode())
    with pytest.raises(InputError, match=message):
        read_records(tmp_path / "t.csv")


def test_a_long_field_is_read_whole(tmp_path: Path) -> None:
    assert errors(tmp_path / "t.csv", f'a,b\n1,"{"x" * 900_000}"\n') == {}
    assert len(str(values(tmp_path / "t.csv")[0][1])) == 900_000


def test_strings_of_json_stay_strings(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"day": "2024-01-02", "n": 1, "x": {}}\n{"n": 2.5}\n')
    table = read_table(tmp_path / "t.jsonl")
    assert table.to_pylist() == [{"day": "2024-01-02", "n": 1.0, "x": "{}"}, {"day": None, "n": 2.5, "x": None}]


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl"])
def test_a_table_of_thousands_of_columns_is_one_sentence(tmp_path: Path, name: str) -> None:
    columns = [f"c{i}" for i in range(50_000)]
    comma = {"t.csv": ",", "t.tsv": "\t"}.get(name)
    content = comma.join(columns) if comma else json.dumps(dict.fromkeys(columns, 1))
    (tmp_path / name).write_text(f"{content}\n")
    for read in (read_records, read_table):
        with pytest.raises(InputError, match="50,000 columns, a table may have 1,000"):
            read(tmp_path / name)
