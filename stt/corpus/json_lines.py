"""Rows of JSON Lines files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stt.corpus.columns import check_names
from stt.corpus.lines import read_lines
from stt.corpus.record import Record
from stt.errors import reason

MAX_NESTING = 50  # of lists and objects; neither Python nor Parquet goes on much longer


def read_json_lines(path: Path) -> Iterator[Record]:
    """Read an object from every line.

    Raises:
        InputError: the file is missing, in another encoding, or has too many different keys.
    """
    keys: set[str] = set()
    for number, line, error in read_lines(path):
        if not error and not line.strip():
            continue
        cells: dict[str, Any] = {}
        if not error:
            try:
                cells = _decoder.decode(line)
                if line.count("[") + line.count("{") > MAX_NESTING and _nesting(cells) > MAX_NESTING:
                    raise RecursionError
                # Half of a character that was cut in two ("\ud83d") is valid JSON, but no text.
                (line if "\\u" not in line else json.dumps(cells, ensure_ascii=False)).encode()
            except RecursionError:
                error = "not JSON that can be read: nested too deeply"
            except UnicodeEncodeError:
                error = "a string is not valid Unicode"
            except json.JSONDecodeError as invalid:
                error = f"not valid JSON ({invalid.msg} in column {invalid.colno})"
            except ValueError as invalid:
                error = f"not valid JSON ({reason(invalid)})"
            else:
                error = "" if isinstance(cells, dict) else "not a JSON object"
        if not error and not cells.keys() <= keys:
            keys |= cells.keys()
            check_names(list(keys), f"{path}:{number}")
        yield Record(number, {} if error else cells, error)


def _nesting(value: object) -> int:
    """Return how many lists and objects are inside of each other."""
    depth, level = 0, [value]
    while level:
        depth += 1
        nested = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list))
        level = [child for children in nested for child in children]
    return depth


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found


_decoder = json.JSONDecoder(object_pairs_hook=_unique)
