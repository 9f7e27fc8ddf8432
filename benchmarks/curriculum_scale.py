"""How long a round of 1,000 batches takes to plan, and what the curriculum weighs, up to 16.5 million utterances.

Six domains with the proportions of Open STT. Durations and CERs are drawn by chance; everything else is
what training does: draw, plan, close the round, write the state.

    python benchmarks/curriculum_scale.py --out docs/results/curriculum_scale.json
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import torch
from common import write_report

from stt.corpus.manifest import Manifest
from stt.curriculum.draw import counts_per_round
from stt.curriculum.observed import Observed
from stt.curriculum.plan import plan_round
from stt.data.sampling import CurriculumSampling

SIZES = (100_000, 1_000_000, 4_000_000, 16_500_000)
# Millions of utterances in Open STT, about.
MILLIONS = {"radio": 8.3, "youtube": 2.6, "addresses": 1.8, "public_speech": 1.7, "audiobooks": 1.2, "calls": 0.9}
NUM_BATCHES = 1_000
MAX_BATCH_SECONDS = 600.0
ROUNDS = 4


def main() -> None:
    """Measure every size in a process of its own, so that the peak of memory is its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/results/curriculum_scale.json"))
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES))
    parser.add_argument("--measure", type=int, help="measure one size and print it")
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.measure)))
        return
    results = []
    for size in args.sizes:
        command = [sys.executable, __file__, "--measure", str(size)]
        results.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        print(json.dumps(results[-1]), flush=True)
    write_report(args.out, {"num_batches": NUM_BATCHES, "max_batch_seconds": MAX_BATCH_SECONDS, "sizes": results})


def measure(size: int) -> dict[str, Any]:
    """Run a few rounds over `size` utterances; seconds are the slowest round's, megabytes those of 10^6 bytes.

    The peak is that of the whole process before it saves, Python, torch and the making of the corpus included.
    """
    rng = np.random.default_rng(0)
    manifest = corpus(size, rng)
    rows = manifest.rows_by_domain()
    own = np.minimum(rng.exponential(0.15, size), 1).astype(np.float32)
    shares = np.full(len(rows), 1 / len(rows))
    counts = counts_per_round(manifest.durations, rows, shares, 0.97 * NUM_BATCHES * MAX_BATCH_SECONDS)
    sampling = CurriculumSampling()
    sampling.start(cast(Manifest, manifest), rows, counts, seed=0)
    planning, closing = [], []
    for i in range(ROUNDS):
        start = time.perf_counter()
        plan = plan_round(sampling.draw(i), manifest.durations, NUM_BATCHES, 1, MAX_BATCH_SECONDS, 0, i)
        planning.append(time.perf_counter() - start)
        drawn = np.unique(np.concatenate(plan.of_rank(0)))
        cers = np.minimum(own[drawn] * rng.gamma(4, 0.25, len(drawn)), 1)
        values = np.stack([cers, 5 * cers, np.full(len(drawn), 5.0)], axis=1).astype(np.float32)
        start = time.perf_counter()
        sampling.close_round(i, Observed(drawn, values))
        closing.append(time.perf_counter() - start)
    peak = peak_mb()
    file = io.BytesIO()
    start = time.perf_counter()
    torch.save(sampling.state_dict(), file)
    saving = time.perf_counter() - start
    return {
        "utterances": size,
        "drawn_per_round": sum(counts),
        "plan_seconds": max(planning),
        "close_seconds": max(closing),
        "save_seconds": saving,
        "checkpoint_mb": file.tell() / 1e6,
        "ledger_mb": sampling.curriculum.ledger.nbytes / 1e6,
        "state_mb": sampling.nbytes / 1e6,
        "peak_of_process_mb": peak,
    }


def corpus(size: int, rng: np.random.Generator) -> Any:
    """As much of a manifest as the sampling reads."""
    names = sorted(MILLIONS)
    shares = np.array([MILLIONS[name] for name in names]) / sum(MILLIONS.values())
    index = rng.choice(len(names), size, p=shares).astype(np.int32)
    return SimpleNamespace(
        domains=names,
        domain_index=index,
        durations=np.clip(rng.lognormal(1.1, 0.6, size), 0.5, 20).astype(np.float32),
        table={
            "cer": pa.array(rng.random(size, dtype=np.float32)),
            "text": pa.array(np.full(size, "some words", dtype=object), pa.large_string()),
        },
        path=Path("benchmark"),
        keys=rng.integers(0, 2**63, size, dtype=np.uint64),
        rows_by_domain=lambda: [np.flatnonzero(index == i) for i in range(len(names))],
    )


def peak_mb() -> float:
    """Most memory this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    main()
