"""Forgetting of three speakers while a fourth is learned, with and without the old ones in the mix.

Strings of digits (imported by `make fsdd`); each speaker is a domain. A network is trained on three domains;
then training is resumed, for the same number of steps, on the fourth alone and on all four, from the
same checkpoint, with the curriculum's ledger.

    make fsdd && python benchmarks/forgetting.py --out docs/results/forgetting.json
"""

from __future__ import annotations

import argparse
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from common import ROOT, call, fit, select, write_report

from stt.progress import track

OLD, NEW = ("george", "jackson", "theo"), "nicolas"
STEPS = (600, 1000)  # after the first three, and in total


def main() -> None:
    """Train all runs and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=Path("corpora/fsdd"), help="corpus imported by make fsdd")
    parser.add_argument("--work", type=Path, default=Path("runs/forgetting"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/forgetting.json"))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2, help="concurrent trainings, one thread each")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    manifests = {
        "old": select(args.corpus / "train.parquet", args.corpus / "old.parquet", OLD),
        "new": select(args.corpus / "train.parquet", args.corpus / "new.parquet", (NEW,)),
        "all": select(args.corpus / "train.parquet", args.corpus / "all.parquet", (*OLD, NEW)),
    }
    for split in ("validate", "test"):
        select(args.corpus / f"{split}.parquet", args.corpus / f"four.{split}.parquet", (*OLD, NEW))

    def train_and_test(run: Path, seed: int, *options: str) -> dict[str, float]:
        """Train, and test the last checkpoint: the best one would be selected for little forgetting."""
        if not (run / "test_metrics.json").exists():
            common = ["--data.sampler=CurriculumSampler", "--data.batches_per_epoch=40"]
            common += [f"--data.validate={args.corpus}/four.validate.parquet", "--data.test=null"]
            common += [f"--data.seed={seed}", f"--seed_everything={seed}"]
            fit(run, f"--model.tokenizer={args.corpus}/tokenizer.model", *common, *options)
            test = [f"--ckpt_path={run}/checkpoints/last.ckpt", f"--data.test={args.corpus}/four.test.parquet"]
            call(str(ROOT / "train.py"), "test", *test, f"--run={run}")
        domains = json.loads((run / "test_metrics.json").read_text())["domains"]
        return {name: rates["cer"] for name, rates in domains.items()}

    def result(seed: int) -> dict[str, Any]:
        before = args.work / f"old.{seed}"
        options = [f"--data.train={manifests['old']}", f"--trainer.max_steps={STEPS[0]}"]
        cers: dict[str, Any] = {"seed": seed, "before": train_and_test(before, seed, *options)}
        # Resuming recomputes the schedule: the learning rate rises to about a third of its peak and falls again.
        start = [f"--ckpt_path={before}/checkpoints/last.ckpt", f"--trainer.max_steps={STEPS[1]}"]
        for name in ("new", "all"):
            cers[name] = train_and_test(args.work / f"{name}.{seed}", seed, f"--data.train={manifests[name]}", *start)
        return cers

    with ThreadPoolExecutor(args.jobs) as pool:
        results = list(track(pool.map(result, args.seeds), "training", len(args.seeds)))
    means = {
        stage: {
            "old": sum(r[stage][domain] for r in results for domain in OLD) / len(results) / len(OLD),
            "new": sum(r[stage][NEW] for r in results) / len(results),
        }
        for stage in ("before", "new", "all")
    }
    print(json.dumps(means, indent=1))
    write_report(args.out, {"old": OLD, "new": NEW, "steps": STEPS, "mean_test_cer": means, "runs": results})


if __name__ == "__main__":
    main()
