"""Memory and time of `stt lm train` on a gigabyte of synthetic text.

Words are drawn by Zipf's law from a vocabulary of 200,000, which gives at least about as many different n-grams as real
text. Peak memory is reported separately for the command itself and for KenLM's tools.

    python benchmarks/language_model.py
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
from common import output_of, write_report

LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz"))
MEASURED = """
import resource, sys
from stt.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as exit_:
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(exit_.code, *peaks)
"""


def main() -> None:
    """Write the text, train the language model and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--memory", default="1G")
    parser.add_argument("--work", type=Path, default=Path("runs/language_model"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/language_model.json"))
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    text = args.work / "text.txt"
    write_text(text, args.megabytes * 1_000_000)
    began, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = ["lm", "train", str(text), "--out", str(args.work / "lm.binary"), "--memory", args.memory]
    *printed, last = output_of("-c", MEASURED, *command, "--prune", "1").strip().splitlines()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    code, command_peak, tools_peak = map(int, last.split())
    results = {
        "bytes": text.stat().st_size,
        "memory_option": args.memory,
        "said": printed,
        "exit_code": code,
        "peak_mb_of_the_command": command_peak // 1000,
        "peak_mb_of_kenlm": tools_peak // 1000,
        "seconds": round(time.perf_counter() - began),
        "core_seconds": round(after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime),
        "binary_mb": (args.work / "lm.binary").stat().st_size // 1_000_000,
    }
    print(json.dumps(results, indent=1))
    write_report(args.out, results)
    text.unlink()


def write_text(path: Path, size: int, seed: int = 0) -> None:
    """Write at least `size` bytes of lines with 5 to 25 words."""
    rng = np.random.default_rng(seed)
    words = np.array(["".join(rng.choice(LETTERS, size=rng.integers(2, 11))) for _ in range(200_000)])
    weights = 1 / np.arange(1, len(words) + 1)
    cumulative = np.cumsum(weights / weights.sum())
    with path.open("w") as file:
        while file.tell() < size:
            drawn = words[np.searchsorted(cumulative, rng.random(1_000_000)).clip(max=len(words) - 1)].tolist()
            start = 0
            for length in rng.integers(5, 26, size=len(drawn) // 25).tolist():
                file.write(" ".join(drawn[start : start + length]) + "\n")
                start += length


if __name__ == "__main__":
    main()
