"""Machine labels: is the word error rate of what `stt corpus label` keeps the wanted one, and how much is kept?

Digits in noise (benchmarks/noisy_digits.py, four domains): a network is trained on half of the training rows, the other
half is labelled without its texts, calibrated on the test rows, and compared with its texts.

    OMP_NUM_THREADS=1 python benchmarks/labelling.py --data ../shared/data --out docs/results/labelling.json
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from common import call, keep_rows, write_report
from noisy_digits import UNIFORM, make_corpus, train

from stt.corpus.columns import with_column
from stt.corpus.manifest import read_manifest, write_manifest
from stt.curation.label.calibration import Observed
from stt.curation.label.reliability import interval
from stt.metrics.error_rate import word_edits


def main() -> None:
    """Create the corpus, train the network, label at every wanted rate, write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data"), help="folder that contains fsdd/recordings"
    )
    parser.add_argument("--work", type=Path, default=Path("runs/labelling"), help="folder for the corpus and the run")
    parser.add_argument("--out", type=Path, default=Path("docs/results/labelling.json"))
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--wanted", nargs="+", type=float, default=[0.02, 0.05, 0.1], help="word error rates")
    args = parser.parse_args()
    corpus = make_corpus(args.data, args.work / "corpora", "clean")
    rows = read_manifest(corpus / "train.parquet")
    first = np.arange(len(rows)) % 2 == 0
    human = keep_rows(rows, first, corpus / "human.parquet")
    texts = dict(zip(*(rows.table.filter(pa.array(~first))[name].to_pylist() for name in ("id", "text")), strict=True))
    unlabelled = rows.table.filter(pa.array(~first))
    empty = pa.array([""] * len(unlabelled), pa.large_string())
    write_manifest(with_column(unlabelled, "text", empty), corpus / "unlabelled.parquet", rows.normalizer)
    run = args.work / "network"
    train(run, corpus, human, UNIFORM, args.steps, ["--seed_everything=0", "--data.seed=0"])
    results = [label(run, corpus, texts, wanted) for wanted in args.wanted]
    for one in results:
        print(json.dumps(one), flush=True)
    test = json.loads((run / "test_metrics.json").read_text())
    write_report(args.out, {"steps": args.steps, "test_wer": test["mean"]["wer"], "labelled": results})


def label(run: Path, corpus: Path, texts: dict[str, str], wanted: float) -> dict[str, Any]:
    """Label at a wanted rate; return what the true one is, by domain and in all, and what it took."""
    out = corpus / f"labelled_{wanted:g}" / "machine.parquet"
    shutil.rmtree(out.parent, ignore_errors=True)
    out.parent.mkdir()
    known = corpus / "test.parquet"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    options = [
        f"--ckpt={run}/checkpoints/best.ckpt",
        f"--calibrate={known}",
        f"--max-wer={wanted}",
        f"--out={out}",
        "--workers=1",
    ]
    call("-m", "stt", "corpus", "label", f"{corpus}/unlabelled.parquet", *options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    kept, every = read_manifest(out), read_manifest(corpus / "unlabelled.parquet")
    pairs = [
        (texts[name], text) for name, text in zip(*(kept.table[c].to_pylist() for c in ("id", "text")), strict=True)
    ]
    errors = Observed(
        np.zeros(len(pairs)),
        np.array([word_edits(*pair) for pair in pairs], np.float64),
        np.array([len(reference.split()) for reference, _ in pairs], np.float64),
    )
    calibration = json.loads(out.with_suffix(".calibration.json").read_text())
    domains = {}
    for index, domain in enumerate(kept.domains):
        part = errors.where(kept.domain_index == index)
        share = len(part) / int((every.domain_index == every.domains.index(domain)).sum())
        domains[domain] = {"kept": round(share, 4), "true_wer": round(part.wer, 4)}
    return {
        "wanted_wer": wanted,
        "true_wer": round(errors.wer, 4),
        "true_wer_95": [round(one, 4) for one in interval(errors)],
        "kept": round(float(kept.durations.sum() / every.durations.sum()), 4),
        "utterances": len(kept),
        "domains": domains,
        **{f"ece_{when}": round(calibration[f"{when} calibration"]["ece"], 4) for when in ("before", "after")},
        "hours_per_core_hour": round(float(every.durations.sum() + read_manifest(known).durations.sum()) / seconds, 1),
        "cpu_seconds": round(seconds, 1),
    }


if __name__ == "__main__":
    main()
