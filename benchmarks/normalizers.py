"""Texts per second of the Russian normalizers, on one core; prints JSON.

`notation` are the texts of tests/text/russian_texts.tsv, all of which have something to read out; `words` is how they
are read, without anything left to do. A first pass fills the caches of the dictionary and is not measured.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable

from common import ROOT

from stt.text.normalize import Normalizer, get_normalizer

TABLE = ROOT / "tests" / "text" / "russian_texts.tsv"


def texts_per_second(normalizer: Callable[[str], object], texts: list[str], passes: int) -> float:
    """Measure how many texts a second are normalized."""
    for text in texts:
        normalizer(text)
    start = time.perf_counter()
    for _ in range(passes):
        for text in texts:
            normalizer(text)
    return len(texts) * passes / (time.perf_counter() - start)


def shares(normalizer: Normalizer, rows: list[list[str]]) -> dict[str, str]:
    """Count by category how many texts are read as the table says."""
    right = {row[0]: [0, 0] for row in rows}
    for category, text, spoken, *_ in rows:
        result = normalizer(text)
        right[category][0] += result.text == spoken and not result.rejected
        right[category][1] += 1
    return {category: f"{count} of {total}" for category, (count, total) in right.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passes", type=int, default=5)
    passes = parser.parse_args().passes
    rows = [line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines()]
    kinds = {"notation": [row[1] for row in rows], "words": [row[2] for row in rows]}
    results = {
        name: {
            "texts_per_second": {
                kind: round(texts_per_second(get_normalizer(name), texts, passes)) for kind, texts in kinds.items()
            },
            "right": shares(get_normalizer(name), rows),
        }
        for name in ("russian-1", "russian-2")
    }
    print(json.dumps({"machine": platform.machine(), "texts": len(rows), **results}, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
