"""Uniform sampling against the curriculum on real digits in noise, with right and with shuffled labels.

Strings of 1-5 digits at signal-to-noise ratios of 30, 15, 5 and 0 dB, a domain each. All runs have
the same model, steps and batches; runs that are finished already are not repeated.

    python benchmarks/noisy_digits.py --data ../shared/data --out docs/results/noisy_digits.json
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from common import call, fit, write_report

mpl.use("agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from stt.corpus.demo.sound import colored_noise, mix
from stt.corpus.importers import fsdd
from stt.corpus.ingest import ingest
from stt.corpus.manifest import read_manifest
from stt.progress import track
from stt.reports.curriculum import BAND, sampler_state
from stt.reports.run import find_run
from stt.text.normalize import get_normalizer

DOMAINS = {"snr_30_db": 30.0, "snr_15_db": 15.0, "snr_05_db": 5.0, "snr_00_db": 0.0}
STRINGS = {"train": 200, "validate": 12, "test": 40}  # for each of six speakers, in every domain
SHUFFLED = {"clean": 0.0, "shuffled_05": 0.05, "shuffled_25": 0.25}
SAMPLINGS = ("UniformSampler", "CurriculumSampler")


def main() -> None:
    """Make the corpora, train everything, write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder that holds fsdd/recordings")
    parser.add_argument("--work", type=Path, default=Path("runs/noisy_digits"), help="folder for corpora and runs")
    parser.add_argument("--out", type=Path, default=Path("docs/results/noisy_digits.json"))
    parser.add_argument("--labels", nargs="+", choices=list(SHUFFLED), default=list(SHUFFLED))
    parser.add_argument("--samplings", nargs="+", choices=SAMPLINGS, default=list(SAMPLINGS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time, each with its share of the cores")
    parser.add_argument("options", nargs="*", help="more options for train.py, after --")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // args.jobs))
    corpora = {labels: make_corpus(args.data, args.work / "corpora", labels) for labels in args.labels}

    def result(job: tuple[int, str, str]) -> dict[str, Any]:
        seed, labels, sampling = job
        run = args.work / f"{labels}.{sampling}.{seed}"
        corpus = corpora[labels]
        manifests = [f"--data.{split}={corpus}/{split}.parquet" for split in STRINGS]
        options = [f"--model.tokenizer={corpus}/tokenizer.model", f"--data.sampler={sampling}"]
        options += [f"--seed_everything={seed}", f"--data.seed={seed}", f"--trainer.max_steps={args.steps}"]
        options += ["--data.batches_per_epoch=40", "--trainer.callbacks+=drawn.DrawnRows"]
        fit(run, *manifests, *options, *args.options)
        return {"labels": labels, "sampling": sampling, "seed": seed, **read_run(run, corpora[labels])}

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


def make_corpus(data: Path, folder: Path, labels: str) -> Path:
    """Write the manifests of all splits, and `wrong.npy`: which rows of the training were given a wrong label."""
    corpus = folder / labels
    if (corpus / "wrong.npy").exists():
        return corpus
    normalizer = get_normalizer("plain-1")
    for place, (split, count) in enumerate(STRINGS.items()):
        rows = []
        for number, (domain, snr_db) in enumerate(DOMAINS.items()):
            strings = fsdd.rows(data / "fsdd/recordings", split=split, strings=count, domain=domain, seed=number)  # type: ignore[arg-type]
            rng = np.random.default_rng([place, number])
            for row in strings:
                assert row.waveform is not None
                noisy = mix(row.waveform, colored_noise(len(row.waveform), 0.0, rng), snr_db)
                peak = max(1.0, float(np.abs(noisy).max()))
                rows.append(replace(row, waveform=noisy / peak, audio=Path(domain) / row.audio))
        wrong = np.zeros(len(rows), np.bool_)
        if split == "train":
            texts, wrong = shuffle_labels([r.text for r in rows], [r.domain for r in rows], SHUFFLED[labels])
            rows = [replace(row, text=text) for row, text in zip(rows, texts, strict=True)]
        ingest(rows, corpus / f"{split}.parquet", normalizer, skip_bad=False)
        if split == "train":
            truth = wrong
    call("-m", "stt", "tokenizer", "train", f"{corpus}/train.parquet", f"--out={corpus}/tokenizer.model", "--pieces=48")
    np.save(corpus / "wrong.npy", truth)
    return corpus


def shuffle_labels(
    texts: list[str], domains: list[str], share: float, seed: int = 0
) -> tuple[list[str], npt.NDArray[np.bool_]]:
    """Give a share of the utterances of every domain the text of another one of them; tells which."""
    rng = np.random.default_rng(seed)
    shuffled, wrong = list(texts), np.zeros(len(texts), np.bool_)
    for domain in sorted(set(domains)):
        mine = np.flatnonzero(np.array(domains) == domain)
        chosen = rng.choice(mine, round(share * len(mine)), replace=False)
        given = rng.permutation(chosen)
        while (same := np.array([texts[a] == texts[b] for a, b in zip(chosen, given, strict=True)], np.bool_)).any():
            given[same] = rng.permutation(given)[: same.sum()] if same.sum() > 1 else rng.choice(chosen, 1)
        for place, source in zip(chosen, given, strict=True):
            shuffled[place] = texts[source]
        wrong[chosen] = True
    return shuffled, wrong


def summarize(results: list[dict[str, Any]]) -> dict[str, dict[str, list[float]]]:
    """Mean, least and largest over the seeds of every figure, by labels and sampling; only of what all seeds have."""
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
    """Draw validation CER over audio hours, and the observed CER of the curriculum's first seed."""
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
        axes[0, column].set(title=labels, yscale="log", ylim=(3, 100), xlabel="audio trained on, hours")
        axes[1, column].axhspan(7, 13, color="0.9", zorder=0)
        axes[1, column].set(yscale="log", ylim=(3, 100), xlabel="step")
    axes[0, 0].set_ylabel("validation CER, mean over domains, %")
    axes[1, 0].set_ylabel("CER of what the curriculum trains on, %")
    axes[0, 0].legend(fontsize="small")
    axes[1, 0].legend(fontsize="small")
    return figure


def read_run(run: Path, corpus: Path) -> dict[str, Any]:
    """Sum up a run: error rates by domain over steps, what was drawn, what was held, what was suspected."""
    wrong = np.load(corpus / "wrong.npy")
    drawn = [np.array(rows) for rows in json.loads((run / "drawn.json").read_text())]
    manifest = read_manifest(corpus / "train.parquet")
    late = np.concatenate(drawn[-len(drawn) // 4 :])
    found = find_run(run)
    metrics = found.metrics()

    def curve(name: str) -> list[tuple[int, float]]:
        """Points of a metric: steps done, value."""
        return [(step + 1, round(value, 4)) for step, value in metrics.get(name, [])]

    test = json.loads((run / "test_metrics.json").read_text())
    seconds = np.cumsum([float(manifest.durations[rows].sum()) for rows in drawn])
    curves = {domain: curve(f"val/cer/{domain}") for domain in [*DOMAINS, "mean"]}
    result: dict[str, Any] = {
        "test_cer": test["mean"]["cer"],
        "audio_seconds": float(seconds[-1]),
        "wrong_drawn_late": float(wrong[late].mean()),
        "wrong_drawn": float(wrong[np.concatenate(drawn)].mean()),
        "test_cer_by_domain": {domain: test["domains"][domain]["cer"] for domain in DOMAINS},
        "validation_cer": curves,
        "audio_seconds_at": [[step, float(seconds[step - 1])] for step, _ in curves["mean"]],
        "steps_to": {f"{c:g}": next((s for s, v in curves["mean"] if v <= c), None) for c in (0.3, 0.2, 0.1, 0.05)},
        "observed": {domain: curve(f"curriculum/observed_cer/{domain}") for domain in DOMAINS},
    }
    if any(name.startswith("curriculum/target_cer/") for name in metrics):
        label_errors = sampler_state(found)["label_errors"].numpy()
        right = int((label_errors & wrong).sum())
        held = [within_band(result["observed"][domain]) for domain in DOMAINS]
        effective = [v for d in DOMAINS for _, v in curve(f"curriculum/effective_utterances/{d}")]
        result |= {
            "held": float(np.mean(np.concatenate(held))) if sum(map(len, held)) else None,
            "held_by_domain": {d: float(np.mean(h)) if len(h) else None for d, h in zip(DOMAINS, held, strict=True)},
            "label_errors": int(label_errors.sum()),
            "precision": right / max(int(label_errors.sum()), 1),
            "recall": right / max(int(wrong.sum()), 1),
            "wrongly_flagged": float((label_errors & ~wrong).sum() / (~wrong).sum()),
            "least_effective_share": min(effective) / (len(wrong) / len(DOMAINS)),
            "beta": {domain: curve(f"curriculum/beta/{domain}") for domain in DOMAINS},
            "strength": {domain: curve(f"curriculum/strength/{domain}") for domain in DOMAINS},
        }
    return result


def within_band(observed: list[tuple[int, float]], target: float = 0.1) -> npt.NDArray[np.bool_]:
    """Tell which windows are within the band, from the one in which the target was first reached on."""
    values = np.array([value for _, value in observed])
    first = np.flatnonzero(values <= target)[:1]
    return np.abs(values[first[0] :] / target - 1) <= BAND if len(first) else np.zeros(0, np.bool_)


if __name__ == "__main__":
    main()
