"""Ten minutes and an hour of a new source of speech: from nothing, or from a model that never heard the source.

The sources of English in turn are the new one; the parent was trained on the others (`benchmarks/english.py --runs
without_kathleen without_commonvoice`). Fine-tuning is configured by configs/presets, training from nothing has its
steps and augmentation. All are tested on the new source and on the parent's.

    make english-corpus && python benchmarks/hours.py --out docs/results/hours.json
"""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from common import ROOT, fit, keep_rows, seeded, write_report
from english import SOURCES, listed, parser_of, rates, run_test

from stt.corpus.manifest import read_manifest
from stt.progress import track

PRESETS = {minutes: ROOT / f"configs/presets/finetune_{name}.yaml" for minutes, name in ((10, "10min"), (60, "1h"))}
STARTS = ("nothing", "others")


def main() -> None:
    """Train all runs and write the report."""
    parser = parser_of(__doc__, "hours", "hours")
    parser.add_argument("--parents", type=Path, default=Path("runs/english_sources"), help="runs of english.py")
    parser.add_argument("--sources", nargs="+", choices=SOURCES, default=["kathleen", "commonvoice"])
    parser.add_argument("--minutes", nargs="+", type=int, choices=list(PRESETS), default=list(PRESETS))
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=list(STARTS))
    parser.add_argument("--name", default="", help="appended to the names of runs, to tell further options apart")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"

    def result(job: tuple[int, str, int, str]) -> dict[str, Any]:
        seed, source, minutes, start = job
        parent = args.parents / f"without_{source}.4000.0"
        run = args.work / f"{source}.{minutes}.{start}.{seed}{args.name}"
        train = excerpt(args.corpus / f"{source}.train.parquet", minutes, seed)
        options = [*seeded(seed), "--data.num_workers=0", *args.options]
        train_and_test(run, args.corpus, source, train, minutes, parent if start == "others" else None, options)
        figures = {"source": source, "minutes": minutes, "start": start, "seed": seed, "name": args.name}
        return {**figures, "before": rates(parent), "after": rates(run)}

    jobs = list(itertools.product(args.seeds, args.sources, args.minutes, args.starts))
    with ThreadPoolExecutor(args.jobs) as pool:
        results = list(track(pool.map(result, jobs), "training", len(jobs)))
    for one in results:
        before, after = (one[when]["cer"][one["source"]] for when in ("before", "after"))
        print(one["source"], one["minutes"], one["start"], f"{100 * before:.1f} -> {100 * after:.1f}")
    write_report(args.out, {"runs": results})


def excerpt(source: Path, minutes: int, seed: int) -> Path:
    """Write a manifest of so many minutes of random utterances, or of all if there are fewer."""
    manifest = read_manifest(source)
    order = np.random.default_rng(seed).permutation(len(manifest))
    keep = np.zeros(len(manifest), np.bool_)
    keep[order[np.cumsum(manifest.durations[order]) <= 60 * minutes]] = True
    return keep_rows(manifest, keep, source.with_suffix(f".{minutes}.{seed}.parquet"))


def train_and_test(
    run: Path, corpus: Path, source: str, train: Path, minutes: int, parent: Path | None, options: list[str]
) -> None:
    """Train on an excerpt and test the last checkpoint on all sources; a finished run is not repeated."""
    if (run / "test_metrics.json").exists():
        return
    others = [one for one in SOURCES if one != source]
    heard = [source, *others] if parent else [source]
    setup = [f"--data.train={listed([train])}", f"--model.tokenizer={corpus}/tokenizer.model"]
    setup.append(f"--data.validate={listed([corpus / f'{one}.dev.parquet' for one in heard])}")
    if parent:
        setup += [f"--config={ROOT}/configs/presets/finetune.yaml", f"--config={PRESETS[minutes]}"]
        setup.append(f"--data.replay={listed([corpus / f'{one}.train.parquet' for one in others])}")
        setup.append(f"--model.init_from={parent}/checkpoints/last.ckpt")
    else:
        steps = yaml.safe_load(PRESETS[minutes].read_text())["trainer"]["max_steps"]
        setup += [f"--trainer.max_steps={steps}", f"--data.batches_per_epoch={steps // 3}"]
        setup.append("--data.sampler.target_by_domain={}")
    fit(run, *setup, *options, config=ROOT / "configs/data/english.yaml")
    run_test(run, corpus)


if __name__ == "__main__":
    main()
