"""Planning time of a window of 1,000 batches, and the size of the curriculum, for up to 16.5 million utterances.

Six domains with the proportions of Open STT. Durations and CERs are random; everything else is as in
training: plan a window, record observations, save the state.

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
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import write_report

from stt.sampling import BatchStream, CurriculumSampler, Sampler, UniformSampler, Utterances
from stt.sampling.observations import Observations
from stt.training.state import to_tensors

SIZES = (100_000, 1_000_000, 4_000_000, 16_500_000)
# Approximate millions of utterances in Open STT.
MILLIONS = {"radio": 8.3, "youtube": 2.6, "addresses": 1.8, "public_speech": 1.7, "audiobooks": 1.2, "calls": 0.9}
MAX_BATCH_SECONDS = 600.0
WINDOWS = 4


def main() -> None:
    """Measure every size in a separate process, so that peak memory is measured separately."""
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
    write_report(args.out, {"max_batch_seconds": MAX_BATCH_SECONDS, "sizes": results})


def measure(size: int) -> dict[str, Any]:
    """Run a few windows over `size` utterances; return the maximum seconds, and megabytes of 10^6 bytes.

    Peak memory is that of the whole process before saving, including Python, torch and creating the corpus.
    """
    rng = np.random.default_rng(0)
    utterances = corpus(size, rng)
    uniform = run(UniformSampler(), utterances, rng)
    curriculum = run(CurriculumSampler(), utterances, rng)
    return {"utterances": size, "uniform": uniform, "curriculum": curriculum, "peak_of_process_mb": peak_mb()}


def run(sampler: Sampler, utterances: Utterances, rng: np.random.Generator) -> dict[str, float]:
    """Run a sampler over a few windows."""
    true_cers = np.minimum(rng.exponential(0.15, len(utterances)), 1)
    shares = np.full(len(utterances.domains), 1 / len(utterances.domains))
    sampler.start(utterances, seed=0)
    stream = BatchStream(sampler, utterances, shares, MAX_BATCH_SECONDS)
    planning, updating = timed(sampler, "plan"), timed(sampler, "update")
    advancing, observing = [], 0.0
    batches = stream.batches()
    number = 0
    while stream.num_planned < WINDOWS + 2:
        rows = np.array([row.row for row in next(batches)])
        stream.consumed += 1
        cers = np.minimum(true_cers[rows] * rng.gamma(4, 0.25, len(rows)), 1)
        values = np.column_stack([cers, 5 * cers, np.full(len(rows), 5.0), np.ones(len(rows))]).astype(np.float32)
        planned, start = stream.num_planned, time.process_time()
        stream.observe(number, partial(Observations, rows, values))
        seconds = time.process_time() - start
        if stream.num_planned > planned:
            advancing.append(seconds)
        else:
            observing += seconds
        number += 1
    start, file = time.process_time(), io.BytesIO()
    torch.save(to_tensors(stream.state_dict()), file)
    return {
        "batches_of_a_window": len(stream.windows[-1].sizes),
        "utterances_of_a_window": sum(stream.counts),
        "plan_seconds": max(advancing) - max(updating),
        "sample_seconds": max(planning),
        "update_seconds": max(updating),
        "observe_seconds_per_batch": observing / number,
        "save_seconds": time.process_time() - start,
        "checkpoint_mb": file.tell() / 1e6,
    }


def timed(sampler: Sampler, name: str) -> list[float]:
    """Time every call of a method; return the list that collects the seconds."""
    method, seconds = getattr(sampler, name), []

    def measured(*args: Any) -> Any:
        start = time.process_time()
        result = method(*args)
        seconds.append(time.process_time() - start)
        return result

    setattr(sampler, name, measured)
    return seconds


def corpus(size: int, rng: np.random.Generator) -> Utterances:
    """Create a synthetic corpus."""
    names = sorted(MILLIONS)
    shares = np.array([MILLIONS[name] for name in names]) / sum(MILLIONS.values())
    index = rng.choice(len(names), size, p=shares).astype(np.int32)
    return Utterances(
        domains=names,
        domain=index,
        durations=np.clip(rng.lognormal(1.1, 0.6, size), 0.5, 20).astype(np.float32),
        difficulty=rng.random(size, dtype=np.float32),
        keys=rng.integers(0, 2**63 - 1, size, dtype=np.int64),
        texts=rng.integers(0, 2**31 - 1, size, dtype=np.int32),
        rows_by_domain=[np.flatnonzero(index == i) for i in range(len(names))],
    )


def peak_mb() -> float:
    """Return the peak memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    main()
