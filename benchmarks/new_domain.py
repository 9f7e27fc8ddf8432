"""A trained network gets a new noisy domain among its old ones: the curriculum against uniform sampling.

Strings of real digits, as in `noisy_digits.py`: a network is trained with the curriculum on SNRs of 30, 15 and 5 dB,
and fine-tuned (configs/presets/finetune.yaml) on these and 0 dB, all domains with the same probability, from the same
checkpoint with both samplings. How many steps until the new domain reaches a CER, and what is forgotten meanwhile?

    python benchmarks/new_domain.py --data ../shared/data --out docs/results/new_domain.json
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from common import ROOT, fit, seeded, select, write_report
from noisy_digits import DOMAINS, LABELS, make_corpus

from stt.progress import track
from stt.reports.run import find_run

*OLD, NEW = DOMAINS
SAMPLINGS = ("UniformSampler", "CurriculumSampler")
STEPS = {"old": 800, "all": 400}
LEVELS = (0.25, 0.2, 0.18, 0.16, 0.14, 0.12)  # CERs of the new domain to count steps to


def main() -> None:
    """Train all runs and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data"), help="folder that contains fsdd/recordings"
    )
    parser.add_argument("--work", type=Path, default=Path("runs/new_domain"), help="folder for corpora and runs")
    parser.add_argument("--out", type=Path, default=Path("docs/results/new_domain.json"))
    parser.add_argument(
        "--labels", nargs="+", choices=list(LABELS), default=["clean", "shuffled_25"], help="of the new domain"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2, help="concurrent trainings, one thread each")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    clean = make_corpus(args.data, args.work / "corpora", "clean")
    old = select(clean / "train.parquet", clean / "old.parquet", tuple(OLD))
    new = {}
    for labels in args.labels:
        corpus = make_corpus(args.data, args.work / "corpora", labels)
        new[labels] = select(corpus / "train.parquet", corpus / "new.parquet", (NEW,))
    common = [f"--data.{split}={clean}/{split}.parquet" for split in ("validate", "test")]

    def before(seed: int) -> Path:
        run: Path = args.work / f"old.{seed}"
        options = [f"--model.tokenizer={clean}/tokenizer.model", f"--trainer.max_steps={STEPS['old']}"]
        fit(run, *common, f"--data.train={old}", "--data.batches_per_epoch=100", *options, *seeded(seed))
        return run

    def after(job: tuple[int, str, str]) -> dict[str, Any]:
        seed, labels, sampling = job
        run, first = args.work / f"{labels}.{sampling}.{seed}", args.work / f"old.{seed}"
        setup = [f"--config={ROOT}/configs/presets/finetune.yaml", "--model.lr_scheduler.init_args.warmup_steps=50"]
        setup += [f"--model.init_from={first}/checkpoints/last.ckpt", f"--trainer.max_steps={STEPS['all']}"]
        setup += [f"--data.train=[{new[labels]}]", f"--data.replay=[{old}]", "--data.replay_share=0.75"]
        fit(run, *common, *setup, f"--data.sampler={sampling}", "--data.batches_per_epoch=20", *seeded(seed))
        return {"seed": seed, "labels": labels, "sampling": sampling, **read_run(first, run)}

    with ThreadPoolExecutor(args.jobs) as pool:
        list(track(pool.map(before, args.seeds), "training on the old domains", len(args.seeds)))
        jobs = list(itertools.product(args.seeds, args.labels, SAMPLINGS))
        results = list(track(pool.map(after, jobs), "fine-tuning", len(jobs)))
    summary = summarize(results)
    print(json.dumps(summary, indent=1))
    write_report(args.out, {"old": OLD, "new": NEW, "steps": STEPS, "summary": summary, "runs": results})


def read_run(first: Path, run: Path) -> dict[str, Any]:
    """Return test CERs before and after, and how the validation CERs of old and new domains went."""
    before, after = (json.loads((one / "test_metrics.json").read_text())["domains"] for one in (first, run))
    metrics = find_run(run).metrics()
    curves = {domain: [(step + 1, value) for step, value in metrics[f"val/cer/{domain}"]] for domain in DOMAINS}
    parent = np.mean([curves[domain][0][1] for domain in OLD])  # validated before the first step
    old = np.mean([[value for _, value in curves[domain]] for domain in OLD], axis=0)
    return {
        "new_before": before[NEW]["cer"],
        "new": after[NEW]["cer"],
        "old_before": float(np.mean([before[domain]["cer"] for domain in OLD])),
        "old": float(np.mean([after[domain]["cer"] for domain in OLD])),
        "most_forgotten": float(max(0.0, (old - parent).max())),
        "steps_to": {f"{level:g}": next((s for s, v in curves[NEW] if v <= level), None) for level in LEVELS},
        "validation_cer": {"new": curves[NEW], "old": [round(float(value), 4) for value in old]},
    }


def summarize(results: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return means over seeds of every figure, by labels and sampling; of steps where all seeds reached the CER."""
    summary: dict[str, dict[str, Any]] = {}
    groups = itertools.groupby(
        sorted(results, key=lambda r: (r["labels"], r["sampling"])), lambda r: f"{r['labels']} {r['sampling']}"
    )
    for name, group in groups:
        runs = list(group)
        means = {key: float(np.mean([run[key] for run in runs])) for key, v in runs[0].items() if isinstance(v, float)}
        steps = {level: [run["steps_to"][level] for run in runs] for level in runs[0]["steps_to"]}
        reached = {level: float(np.mean(values)) for level, values in steps.items() if None not in values}
        summary[name] = {"seeds": len(runs), **means, "steps_to": reached}
    return summary


if __name__ == "__main__":
    main()
