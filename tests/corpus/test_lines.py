import re
from pathlib import Path

import pytest

from stt.corpus.lines import MAX_LINE_BYTES, read_lines
from stt.errors import InputError


def read(folder: Path, content: bytes) -> list[tuple[int, str, str]]:
    (folder / "x.txt").write_bytes(content)
    return [tuple(line) for line in read_lines(folder / "x.txt")]


def test_a_byte_order_mark_and_line_breaks_of_windows_are_not_part_of_the_lines(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeffone\r\n\r\nдва".encode()) == [(1, "one", ""), (3, "два", "")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "cp1251"])
def test_another_encoding_is_named(tmp_path: Path, encoding: str) -> None:
    text = "audio,text,domain\na.wav,добрый день,радио\n"
    mark = "\ufeff" if encoding == "utf-32-be" else ""
    with pytest.raises(InputError, match="the encoding looks like") as raised:
        read(tmp_path, (mark + text).encode(encoding))
    named = re.search(r"iconv -f (\S+) -t UTF-8", str(raised.value))
    assert named is not None
    assert (tmp_path / "x.txt").read_bytes().decode(named[1]) == text
    assert encoding[:6].lower() in str(raised.value).lower()


def test_a_damaged_line_is_reported_and_the_others_are_read(tmp_path: Path) -> None:
    first, second, third = read(tmp_path, "да\n".encode() + b"sch\xf6n\n" + "нет\n".encode())
    assert (first[1], third[1]) == ("да", "нет")
    assert second == (2, "", "not UTF-8 (byte 0xf6 in column 4)")


def test_a_line_that_is_too_long_costs_no_other_line(tmp_path: Path) -> None:
    lines = read(tmp_path, b"a\n" + b"x" * (5 * MAX_LINE_BYTES) + b"\nb\n" + b"y" * MAX_LINE_BYTES)
    assert [(number, len(text), bool(error)) for number, text, error in lines[:3]] == [
        (1, 1, False),
        (2, 0, True),
        (3, 1, False),
    ]
    assert lines[2][1] == "b"
    assert len(lines[3][1]) == MAX_LINE_BYTES
