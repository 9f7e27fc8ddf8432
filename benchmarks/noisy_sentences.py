"""Label errors in real sentences of hundreds of speakers: uniform sampling, the curriculum, dropping the worst.

A tenth of the training texts of Common Voice is shuffled, truncated or that of a neighbor. The usual practice,
`drop_worst`, trains for half of the steps, drops the tenth with the highest CER, and trains anew for the other half.
The last checkpoint is tested on dev, whose texts are right.

    make english-corpus && python benchmarks/noisy_sentences.py --out docs/results/noisy_sentences.json
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from common import ROOT, fit, seeded, write_report
from english import parser_of, rates, run_test
from loop import KINDS, spoil_texts
from noisy_digits import DROP_WORST, SAMPLINGS, UNIFORM, detection, train_without_worst

from stt.corpus.columns import with_column
from stt.corpus.manifest import read_manifest, write_manifest
from stt.progress import track
from stt.reports.curriculum import sampler_state
from stt.reports.run import find_run

SOURCE = "commonvoice"


def main() -> None:
    """Train all runs and write the report."""
    parser = parser_of(__doc__, "noisy_sentences", "noisy_sentences")
    parser.add_argument("--samplings", nargs="+", choices=SAMPLINGS, default=list(SAMPLINGS))
    parser.add_argument("--steps", type=int, default=4000)
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    args.work.mkdir(parents=True, exist_ok=True)
    rows, kinds = spoil(args.corpus)

    def result(job: tuple[int, str]) -> dict[str, Any]:
        seed, sampling = job
        run = args.work / f"{sampling}.{args.steps}.{seed}"
        options = [*seeded(seed), "--data.num_workers=0", *args.options]
        figures: dict[str, Any] = {"sampling": sampling, "seed": seed}
        if sampling == DROP_WORST:

            def train_on(run: Path, rows: Path, steps: int) -> None:
                train(run, args.corpus, rows, UNIFORM, steps, options)

            _, flagged = train_without_worst(train_on, run, rows, args.steps)
        else:
            train(run, args.corpus, rows, sampling, args.steps, options)
            flagged = np.zeros(len(kinds), np.bool_)
            if sampling != UNIFORM:
                flagged = sampler_state(find_run(run))["label_errors"].numpy()
        cer = find_run(run).metrics().get(f"curriculum/observed_cer/{SOURCE}", [])
        return {**figures, **found(flagged, kinds), **rates(run), "training_cer": [[step + 1, c] for step, c in cer]}

    jobs = [(seed, sampling) for seed in args.seeds for sampling in args.samplings]
    with ThreadPoolExecutor(args.jobs) as pool:
        results = list(track(pool.map(result, jobs), "training", len(jobs)))
    print(json.dumps([{k: v for k, v in one.items() if k != "training_cer"} for one in results], indent=1))
    write_report(args.out, {"source": SOURCE, "steps": args.steps, "runs": results})


def spoil(corpus: Path) -> tuple[Path, npt.NDArray[np.str_]]:
    """Write the training part with label errors; return its path and the kind of each row's."""
    manifest = read_manifest(corpus / f"{SOURCE}.train.parquet")
    texts, kinds = spoil_texts(manifest, np.ones(len(manifest), np.bool_))
    out = corpus / f"{SOURCE}.spoiled.parquet"
    write_manifest(with_column(manifest.table, "text", pa.array(texts)), out, manifest.normalizer)
    return out, kinds


def train(run: Path, corpus: Path, rows: Path, sampling: str, steps: int, options: list[str]) -> None:
    """Train on a manifest and test the last checkpoint on all sources; a finished run is not repeated."""
    if (run / "test_metrics.json").exists():
        return
    setup = [f"--data.train=[{rows}]", f"--data.validate=[{corpus}/{SOURCE}.dev.parquet]"]
    setup += [f"--data.batches_per_epoch={steps // 4}", f"--trainer.max_steps={steps}"]
    setup += ["--data.sampler.target_by_domain={}", f"--data.sampler={sampling}"]
    fit(run, f"--model.tokenizer={corpus}/tokenizer.model", *setup, *options, config=ROOT / "configs/data/english.yaml")
    run_test(run, corpus)


def found(flagged: npt.NDArray[np.bool_], kinds: npt.NDArray[np.str_]) -> dict[str, Any]:
    """Compare the utterances taken for label errors with the label errors, and count what is found of each kind."""
    recall = {kind: float(flagged[kinds == kind].mean()) for kind in KINDS}
    return {**detection(flagged, kinds != ""), "recall_by_kind": recall}


if __name__ == "__main__":
    main()
