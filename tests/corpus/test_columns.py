import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from stt.corpus.columns import cast_columns, concat_tables, extra_columns
from stt.errors import InputError


def test_fields_become_columns_with_their_types() -> None:
    day = datetime.datetime(2026, 1, 2, 3, 4)
    table = extra_columns([{"votes": pa.scalar(3, pa.int32()), "when": day}, {"votes": None, "tags": ["a", "b"]}, {}])
    assert table.to_pylist() == [
        {"votes": 3, "when": day, "tags": None},
        {"votes": None, "when": None, "tags": ["a", "b"]},
        {"votes": None, "when": None, "tags": None},
    ]
    assert table.schema.field("votes").type == pa.int32()


def test_the_row_of_a_value_of_another_type_is_named() -> None:
    for row in range(5):
        durations = ["1", "", "2", "3", "4"]
        durations[row:] = ["x"] * (5 - row)
        known = {"audio": ["a"] * 5, "text": ["a"] * 5, "domain": ["a"] * 5}
        with pytest.raises(InputError, match=rf"m\.csv: column duration must contain numbers \(row {row + 10}: "):
            cast_columns(pa.table({**known, "duration": durations}), Path("m.csv"), 10)


def test_values_without_a_common_type_become_strings() -> None:
    table = extra_columns([{"x": 1}, {"x": "ein"}, {"x": {"a": True}}, {}])
    assert table["x"].to_pylist() == ["1", "ein", '{"a": true}', None]


def test_values_that_python_has_not_stay_what_they_are() -> None:
    nanoseconds = pa.array([1, None], pa.timestamp("ns"))
    late, mars = pa.array([4 * 10**11], pa.timestamp("s")), pa.array([0], pa.timestamp("s", "Mars/Olympus"))
    table = extra_columns([{"ns": nanoseconds[0], "late": late[0], "mars": mars[0], "mixed": late[0]}, {"mixed": "x"}])
    assert table["ns"].combine_chunks().equals(nanoseconds)
    assert (table["late"][0], table["mars"][0]) == (late[0], mars[0])
    assert table["mixed"].to_pylist() == ["14645-06-30 15:06:40", "x"]
    joined, as_strings = concat_tables([table.select(["ns"]), pa.table({"ns": ["x"]})])
    assert (joined["ns"].to_pylist(), as_strings) == (["1970-01-01 00:00:00.000000001", None, "x"], ["ns"])


@pytest.mark.parametrize(
    ("first", "second", "values", "as_strings"),
    [
        (pa.array([1], pa.int8()), pa.array([2], pa.int64()), [1, 2], []),
        (pa.array([1], pa.int64()), pa.array([0.5]), [1.0, 0.5], []),
        (pa.array([None]), pa.array(["b"]), [None, "b"], []),
        (pa.array(["a"], pa.large_string()), pa.array(["b"]), ["a", "b"], []),
        (pa.array(["a"]).dictionary_encode(), pa.array(["b"]), ["a", "b"], []),
        (pa.array(["a"]).dictionary_encode(), pa.array(["b"]).dictionary_encode(), ["a", "b"], []),
        (pa.array([1]), pa.array(["b"]), ["1", "b"], ["x"]),
        (pa.array([[1]]), pa.array([{"a": 1}]), ["[1]", '{"a": 1}'], ["x"]),
        (pa.array([1]), pa.array(["b"]).dictionary_encode(), ["1", "b"], ["x"]),
    ],
)
def test_tables_with_different_column_types_can_be_concatenated(
    first: pa.Array, second: pa.Array, values: list[object], as_strings: list[str]
) -> None:
    table, converted = concat_tables([pa.table({"x": first, "only": [1]}), pa.table({"x": second})])
    assert table["x"].to_pylist() == values
    assert table["only"].to_pylist() == [1, None]
    assert converted == as_strings
