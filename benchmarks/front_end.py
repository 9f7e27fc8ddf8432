"""Error rates by feature normalization, on digits and the demo (half of its steps): single utterances and long audio.

Finished runs are not repeated, so that runs from several machines or days can be combined.

    make fsdd-corpus demo && python benchmarks/front_end.py
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from common import ROOT, call, write_report
from long_audio import measure

import stt

CORPORA = {"fsdd": ["--trainer.max_steps=2000"], "demo": ["--trainer.max_steps=800"]}
NORMALIZATIONS = ("utterance", "window", "none")


def main() -> None:
    """Train the missing runs and measure all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "front_end")
    parser.add_argument("--normalizations", nargs="*", default=NORMALIZATIONS)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "front_end.json")
    args = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, Any] = {}
    for corpus, options in CORPORA.items():
        for normalization in args.normalizations:
            for seed in args.seeds:
                run = args.runs / f"{corpus}-{normalization}-{seed}"
                if not (run / "test_metrics.json").exists():
                    train(run, corpus, normalization, seed, options)
                results.setdefault(corpus, {}).setdefault(normalization, []).append(report(run, corpus, seed))
    write_report(args.out, results)


def train(run: Path, corpus: str, normalization: str, seed: int, options: list[str]) -> None:
    """Train and test one variant."""
    configs = [f"--config={ROOT}/configs/{name}.yaml" for name in ("model/tiny", f"data/{corpus}")]
    options = [
        *options,
        f"--run={run}",
        f"--seed_everything={seed}",
        f"--model.features.init_args.normalization={normalization}",
    ]
    run.parent.mkdir(parents=True, exist_ok=True)
    call(str(ROOT / "train.py"), "fit", *configs, *options, output=run.with_suffix(".log"))


def report(run: Path, corpus: str, seed: int) -> dict[str, Any]:
    """Return a run's error rates in percent on the test utterances, and on the same utterances joined."""
    tested = json.loads((run / "test_metrics.json").read_text())
    mean = {kind: round(100 * value, 2) for kind, value in tested["mean"].items()}
    domains = [name for name, one in tested["domains"].items() if one["in_training"]]
    recognizer = stt.Recognizer.load(run / "checkpoints" / "best.ckpt")
    manifest = ROOT / "corpora" / corpus / "test.parquet"
    return {"seed": seed, "mean": mean, "joined": measure(recognizer, manifest, domains)}


if __name__ == "__main__":
    main()
