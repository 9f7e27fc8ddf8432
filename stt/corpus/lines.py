"""Lines of text files with their numbers; a line that cannot be used is reported instead of silently changed."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from stt.errors import InputError, reason

MAX_LINE_BYTES = 1_000_000  # nobody says more in one utterance; a longer line is a missing line break
_SAMPLE_BYTES = 1_000_000
_BYTE_ORDER_MARKS = {  # the longer ones first, because the UTF-32 mark begins with that of UTF-16
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_CYRILLIC_WORD = re.compile(rb"[\xc0-\xff\xa8\xb8]{2,}")  # letters in cp1251


class Line(NamedTuple):
    """A line without its line break, or the reason why it cannot be used."""

    number: int  # from 1
    text: str
    error: str = ""


def read_lines(path: Path) -> Iterator[Line]:
    """Read the lines of a UTF-8 file, with or without a byte order mark; empty lines are left out.

    A file whose name ends in .gz is decompressed.

    Raises:
        InputError: the file is missing, damaged, or in another encoding, which the message names.
    """
    if not path.is_file():
        raise InputError(f"{path}: file not found")
    try:
        yield from _lines(path)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: the compressed file is damaged or incomplete ({reason(error)})") from error


def read_transcript(path: Path) -> tuple[str, str]:
    """Return the text of a file that contains one transcript, and the reason why it cannot be used, or an empty one."""
    if not path.is_file():
        return "", f"{path.name} is missing"
    try:
        lines = list(read_lines(path))
    except InputError as error:
        return "", str(error)
    problem = next((f"{path.name}:{line.number}: {line.error}" for line in lines if line.error), "")
    return "\n".join(line.text for line in lines), problem


def _lines(path: Path) -> Iterator[Line]:
    with _open(path) as file:
        check_encoding(file.read(_SAMPLE_BYTES), path)
        file.seek(0)
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                while line and not line.endswith(b"\n"):
                    line = file.readline(MAX_LINE_BYTES)
                yield Line(number, "", f"the line is longer than {MAX_LINE_BYTES // 1_000_000} MB")
                continue
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            line = line.removesuffix(b"\n").removesuffix(b"\r")
            if not line:
                continue
            if b"\0" in line:
                yield Line(number, "", "not text, it contains a zero byte")
                continue
            try:
                yield Line(number, line.decode())
            except UnicodeDecodeError as error:
                yield Line(number, "", f"not UTF-8 (byte 0x{line[error.start]:02x} in column {error.start + 1})")


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def check_encoding(sample: bytes, path: Path) -> None:
    """Check that the beginning of a file may be UTF-8.

    A few lines that are not UTF-8 are damage, for the caller to report; here the whole file is in another encoding.

    Raises:
        InputError: it is in another encoding, which the message names.
    """
    for mark, name in _BYTE_ORDER_MARKS.items():
        if sample.startswith(mark):
            raise _wrong_encoding(path, name, name)
    start = sample[:64]
    if start.count(0) > len(start) / 4:  # every second byte of ASCII characters
        raise _wrong_encoding(path, "UTF-16 or binary", "UTF-16LE" if start[1:2] == b"\0" else "UTF-16BE")
    words = 0
    for line in sample.splitlines()[:-1] if len(sample) == _SAMPLE_BYTES else sample.splitlines():
        if line.isascii():
            continue
        try:
            line.decode()
            return  # other letters than ASCII are right somewhere
        except UnicodeDecodeError:
            words += 1 if _CYRILLIC_WORD.search(line) else -1
    if words > 0:
        raise _wrong_encoding(path, "cp1251 (Windows Cyrillic)", "CP1251")


def _wrong_encoding(path: Path, name: str, code: str) -> InputError:
    advice = f"convert the file to UTF-8 (iconv -f {code} -t UTF-8)"
    return InputError(f"{path}: the encoding looks like {name}, {advice}")
