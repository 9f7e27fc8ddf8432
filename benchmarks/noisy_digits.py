"""Uniform sampling against the curriculum on real digits in noise, with clean labels and with label errors.

Strings of 1-5 digits at SNRs of 30, 15, 5 and 0 dB, one domain each. All runs have the same model, number of steps and
batch size; finished runs are not repeated. `drop_worst` is the usual practice: train for half of the steps, drop the
tenth of the utterances with the highest CER, train again for the other half.

    python benchmarks/noisy_digits.py --data ../shared/data --out docs/results/noisy_digits.json
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import label_errors
import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from common import call, fit, keep_rows, seeded, write_report

mpl.use("agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

import stt
from stt.corpus.importers import fsdd
from stt.corpus.ingest import ingest
from stt.corpus.manifest import read_manifest
from stt.corpus.row import Row
from stt.corpus.synthesis.sound import colored_noise, mix
from stt.metrics.error_rate import character_error_rate
from stt.progress import track
from stt.reports.curriculum import BAND, sampler_state
from stt.reports.run import find_run
from stt.text.normalize import get_normalizer

DOMAINS = {"snr_30_db": 30.0, "snr_15_db": 15.0, "snr_05_db": 5.0, "snr_00_db": 0.0}
STRINGS = {"train": 200, "validate": 12, "test": 40}  # per speaker (six) and domain
LABELS: dict[str, tuple[str, float] | None] = {
    "clean": None,
    "shuffled_05": ("shuffled", 0.05),
    "shuffled_25": ("shuffled", 0.25),
    **{f"{kind}_10": (kind, 0.1) for kind in label_errors.KINDS},
}
DROP_WORST = "drop_worst"
DROPPED = 0.1
UNIFORM = "UniformSampler"
SAMPLINGS = (UNIFORM, "CurriculumSampler", DROP_WORST)
WEAK_STEPS = 200  # of the recognizer of pseudo-labels


def main() -> None:
    """Create the corpora, train all runs, write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data"), help="folder that contains fsdd/recordings"
    )
    parser.add_argument("--work", type=Path, default=Path("runs/noisy_digits"), help="folder for corpora and runs")
    parser.add_argument("--out", type=Path, default=Path("docs/results/noisy_digits.json"))
    parser.add_argument("--labels", nargs="+", choices=list(LABELS), default=["clean", "shuffled_05", "shuffled_25"])
    parser.add_argument("--samplings", nargs="+", choices=SAMPLINGS, default=list(SAMPLINGS[:2]))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--jobs", type=int, default=2, help="concurrent trainings, one thread each")
    parser.add_argument("options", nargs="*", help="further options for train.py, after --")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    corpora = {labels: make_corpus(args.data, args.work / "corpora", labels) for labels in args.labels}

    def result(job: tuple[int, str, str]) -> dict[str, Any]:
        seed, labels, sampling = job
        run = args.work / f"{labels}.{sampling}.{seed}"
        corpus = corpora[labels]
        options = [*seeded(seed), *args.options]
        figures: dict[str, Any] = {"labels": labels, "sampling": sampling, "seed": seed}
        wrong = np.load(corpus / "wrong.npy")
        if sampling == DROP_WORST:

            def train_on(run: Path, rows: Path, steps: int) -> None:
                train(run, corpus, rows, UNIFORM, steps, options)

            kept, dropped = train_without_worst(train_on, run, corpus / "train.parquet", args.steps)
            return {**figures, **detection(dropped, wrong), **read_run(run, kept, wrong[~dropped])}
        train(run, corpus, corpus / "train.parquet", sampling, args.steps, options)
        return {**figures, **read_run(run, corpus / "train.parquet", wrong)}

    jobs = list(itertools.product(args.seeds, args.labels, args.samplings))
    results = []
    with ThreadPoolExecutor(args.jobs) as pool:
        for done in track(pool.map(result, jobs), "training", len(jobs)):
            results.append(done)
            print(json.dumps({k: v for k, v in done.items() if not isinstance(v, dict | list)}), flush=True)
    summary = summarize(results)
    print(json.dumps(summary, indent=1))
    write_report(args.out, {"steps": args.steps, "summary": summary, "runs": results})
    plot(results).savefig(args.out.with_suffix(".png"), dpi=110)


def train(run: Path, corpus: Path, rows: Path, sampler: str, steps: int, options: Sequence[str]) -> None:
    """Train on a manifest, validate and test on those of the corpus."""
    manifests = [
        f"--data.train={rows}",
        *[f"--data.{split}={corpus}/{split}.parquet" for split in ("validate", "test")],
    ]
    setup = [f"--model.tokenizer={corpus}/tokenizer.model", f"--data.sampler={sampler}", f"--trainer.max_steps={steps}"]
    setup += ["--data.batches_per_epoch=40", "--trainer.callbacks+=sampled_rows.SampledRows"]
    fit(run, *manifests, *setup, *options)


def train_without_worst(
    train: Callable[[Path, Path, int], None], run: Path, rows: Path, steps: int
) -> tuple[Path, npt.NDArray[np.bool_]]:
    """Follow the usual practice with a function that trains a run on rows for some steps.

    Returns:
        The manifest that the second half was trained on, and which rows were dropped.
    """
    first = run.with_name(f"{run.name}.first")
    train(first, rows, steps // 2)
    kept, dropped = drop_worst(first, rows, rows.with_name(f"{run.name}.parquet"))
    train(run, kept, steps - steps // 2)
    return kept, dropped


def drop_worst(run: Path, source: Path, out: Path) -> tuple[Path, npt.NDArray[np.bool_]]:
    """Write a manifest without the utterances that a run's last checkpoint recognizes worst, and return which."""
    manifest = read_manifest(source)
    rates = np.full(len(manifest), np.inf)  # of what cannot be recognized
    for item in stt.evaluate(stt.load(run / "checkpoints/last.ckpt"), manifest).recognized:
        rates[item.row - 1] = character_error_rate(item.reference, item.hypothesis)
    dropped = np.zeros(len(manifest), np.bool_)
    dropped[np.argsort(-rates, kind="stable")[: round(DROPPED * len(manifest))]] = True
    return keep_rows(manifest, ~dropped, out), dropped


def detection(flagged: npt.NDArray[np.bool_], wrong: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Compare the utterances taken for label errors with the label errors."""
    correct = int((flagged & wrong).sum())
    return {
        "label_errors": int(flagged.sum()),
        "precision": correct / max(int(flagged.sum()), 1),
        "recall": correct / max(int(wrong.sum()), 1),
        "wrongly_flagged": float((flagged & ~wrong).sum() / (~wrong).sum()),
    }


def make_corpus(data: Path, folder: Path, labels: str) -> Path:
    """Write the manifests of all splits, and `wrong.npy`: which training rows were given a wrong label."""
    corpus = folder / labels
    if (corpus / "wrong.npy").exists():
        return corpus
    normalizer = get_normalizer("plain-1")
    for split_index, (split, count) in enumerate(STRINGS.items()):
        rows = []
        for number, (domain, snr_db) in enumerate(DOMAINS.items()):
            strings = fsdd.rows(data / "fsdd/recordings", split=split, strings=count, domain=domain, seed=number)  # type: ignore[arg-type]
            rng = np.random.default_rng([split_index, number])
            for row in strings:
                assert row.waveform is not None
                noisy = mix(row.waveform, colored_noise(len(row.waveform), 0.0, rng), snr_db)
                peak = max(1.0, float(np.abs(noisy).max()))
                rows.append(
                    replace(row, id=f"{domain}/{row.id}", waveform=noisy / peak, audio=Path(domain) / row.audio)
                )
        wrong = np.zeros(len(rows), np.bool_)
        errors = LABELS[labels]
        if split == "train" and errors:
            recognize = functools.partial(recognize_weakly, data, folder)
            rows, wrong = label_errors.plant(rows, *errors, recognize)
        ingest(rows, corpus / f"{split}.parquet", normalizer, skip_bad=False)
        if split == "train":
            truth = wrong
    call("-m", "stt", "tokenizer", "train", f"{corpus}/train.parquet", f"--out={corpus}/tokenizer.model", "--pieces=48")
    np.save(corpus / "wrong.npy", truth)
    return corpus


def recognize_weakly(data: Path, folder: Path, rows: Sequence[Row]) -> list[str]:
    """Recognize rows with a network that was trained on the clean corpus for too short a time."""
    corpus = make_corpus(data, folder, "clean")
    run = folder / "weak"
    train(run, corpus, corpus / "train.parquet", UNIFORM, WEAK_STEPS, seeded(0))
    recognizer = stt.load(run / "checkpoints/last.ckpt")
    return [recognizer.transcribe(np.asarray(row.waveform, np.float32), row.sample_rate).text for row in rows]


def summarize(results: list[dict[str, Any]]) -> dict[str, dict[str, list[float]]]:
    """Return mean, minimum and maximum over seeds of every figure that all seeds have, by labels and sampling."""
    summary: dict[str, dict[str, list[float]]] = {}
    for run in results:
        group = summary.setdefault(f"{run['labels']} {run['sampling']}", {})
        for name, value in run.items():
            if isinstance(value, float):
                group.setdefault(name, []).append(value)
        for domain, value in run["test_cer_by_domain"].items():
            group.setdefault(f"test_cer/{domain}", []).append(value)
        for cer, steps in run["steps_to"].items():
            group.setdefault(f"steps_to/{cer}", []).append(math.nan if steps is None else steps)
    return {
        key: {
            name: [round(f, 4) for f in (float(np.mean(v)), min(v), max(v))]
            for name, v in group.items()
            if not np.isnan(v).any()
        }
        for key, group in summary.items()
    }


def plot(results: list[dict[str, Any]]) -> Figure:
    """Plot validation CER over audio hours, and the observed CER of the curriculum's first seed."""
    kinds = sorted({run["labels"] for run in results})
    figure, axes = plt.subplots(2, len(kinds), figsize=(4 * len(kinds), 7), squeeze=False, layout="constrained")
    for column, labels in enumerate(kinds):
        for run in (run for run in results if run["labels"] == labels):
            curriculum = run["sampling"] == "CurriculumSampler"
            style = {"color": "C0" if curriculum else "C1", "linewidth": 1.0, "alpha": 0.8}
            style |= {"label": run["sampling"] if run["seed"] == results[0]["seed"] else "_again"}
            hours = [seconds / 3600 for _, seconds in run["audio_seconds_at"]]
            axes[0, column].plot(hours, [100 * cer for _, cer in run["validation_cer"]["mean"]], **style)
            for domain, points in run["observed"].items() if curriculum and run["seed"] == results[0]["seed"] else ():
                axes[1, column].plot(*zip(*[(s, 100 * cer) for s, cer in points], strict=True), label=domain)
        axes[0, column].set(title=labels, yscale="log", ylim=(3, 100), xlabel="training audio, hours")
        axes[1, column].axhspan(7, 13, color="0.9", zorder=0)
        axes[1, column].set(yscale="log", ylim=(3, 100), xlabel="step")
    axes[0, 0].set_ylabel("validation CER, mean over domains, %")
    axes[1, 0].set_ylabel("CER of the curriculum's training batches, %")
    axes[0, 0].legend(fontsize="small")
    axes[1, 0].legend(fontsize="small")
    return figure


def read_run(run: Path, rows: Path, wrong: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Summarize a run on the rows of a manifest: error rates by domain over steps, sampled rows, CER, label errors."""
    sampled = [np.array(rows) for rows in json.loads((run / "sampled_rows.json").read_text())]
    manifest = read_manifest(rows)
    late = np.concatenate(sampled[-len(sampled) // 4 :])
    run_folder = find_run(run)
    metrics = run_folder.metrics()

    def curve(name: str) -> list[tuple[int, float]]:
        """Return the points of a metric: completed steps, value."""
        return [(step + 1, round(value, 4)) for step, value in metrics.get(name, [])]

    test = json.loads((run / "test_metrics.json").read_text())
    seconds = np.cumsum([float(manifest.durations[rows].sum()) for rows in sampled])
    curves = {domain: curve(f"val/cer/{domain}") for domain in [*DOMAINS, "mean"]}
    result: dict[str, Any] = {
        "test_cer": test["mean"]["cer"],
        "audio_seconds": float(seconds[-1]),
        "wrong_drawn_late": float(wrong[late].mean()),
        "wrong_drawn": float(wrong[np.concatenate(sampled)].mean()),
        "test_cer_by_domain": {domain: test["domains"][domain]["cer"] for domain in DOMAINS},
        "validation_cer": curves,
        "audio_seconds_at": [[step, float(seconds[step - 1])] for step, _ in curves["mean"]],
        "steps_to": {f"{c:g}": next((s for s, v in curves["mean"] if v <= c), None) for c in (0.3, 0.2, 0.1, 0.05)},
        "observed": {domain: curve(f"curriculum/observed_cer/{domain}") for domain in DOMAINS},
    }
    if any(name.startswith("curriculum/target_cer/") for name in metrics):
        quarantined = sampler_state(run_folder)["label_errors"].numpy()
        steered = {d: {s for s, v in curve(f"curriculum/released/{d}") if not v} for d in DOMAINS}
        in_band = [within_band([point for point in result["observed"][d] if point[0] in steered[d]]) for d in DOMAINS]
        effective = [v for d in DOMAINS for _, v in curve(f"curriculum/effective_utterances/{d}")]
        result |= {
            "held": float(np.mean(np.concatenate(in_band))) if sum(map(len, in_band)) else None,
            "held_by_domain": {d: float(np.mean(h)) if len(h) else None for d, h in zip(DOMAINS, in_band, strict=True)},
            **detection(quarantined, wrong),
            "least_effective_share": min(effective) / (len(wrong) / len(DOMAINS)),
            "beta": {domain: curve(f"curriculum/beta/{domain}") for domain in DOMAINS},
            "strength": {domain: curve(f"curriculum/strength/{domain}") for domain in DOMAINS},
        }
    return result


def within_band(observed: list[tuple[int, float]], target: float = 0.1) -> npt.NDArray[np.bool_]:
    """Return which windows are within the band, from the first that reaches the target."""
    values = np.array([value for _, value in observed])
    first = np.flatnonzero(values <= target)[:1]
    return np.abs(values[first[0] :] / target - 1) <= BAND if len(first) else np.zeros(0, np.bool_)


if __name__ == "__main__":
    main()
