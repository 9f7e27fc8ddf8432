"""The loop of the article: clean, train, clean by the model, label, train again; on a corpus with known label errors.

Of a corpus's training part, one share keeps its texts, a tenth of which are spoiled (shuffled, truncated, off by one),
and the rest loses them. Each turn trains from scratch, with the same number of steps, on what the turn before left:

    turn 0: the spoiled share, cleaned by rules that need no model
    turn 1: the same, cleaned by the model of turn 0, and what that model has labelled
    turn 2: the same by the model of turn 1, from the beginning

    make loop
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import label_errors
import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from common import call, fit, write_report

mpl.use("agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from stt.corpus.columns import with_column
from stt.corpus.manifest import Manifest, read_manifest, write_manifest
from stt.corpus.rejection import rejected_path
from stt.corpus.row import Row
from stt.metrics.error_rate import corpus_cer, corpus_wer

KINDS = ("shuffled", "truncated", "off_by_one")
WRONG = 0.1  # of the texts


@dataclass(frozen=True)
class Corpus:
    """What the loop starts from, and what it must not see.

    Attributes:
        labelled: manifest with texts, some of them wrong.
        unlabelled: manifest without texts.
        texts: true text of every utterance, by id.
        kinds: kind of label error of the wrong ones, by id.
    """

    labelled: Path
    unlabelled: Path
    texts: dict[str, str]
    kinds: dict[str, str]


def main() -> None:
    """Run the loop and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=Path("corpora/demo"), help="train, validate, test, tokenizer")
    parser.add_argument("--config", type=Path, default=Path("configs/data/demo.yaml"))
    parser.add_argument("--work", type=Path, default=Path("runs/loop"), help="folder for runs; finished ones are kept")
    parser.add_argument("--out", type=Path, default=Path("docs/results/loop.json"))
    parser.add_argument("--labelled", type=float, default=0.6, help="share that keeps its texts")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--steps", type=int, default=800, help="of each training")
    parser.add_argument("--max-wer", type=float, default=0.1, help="wanted of machine labels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("options", nargs="*", help="further options for train.py, after --")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    args.work.mkdir(parents=True, exist_ok=True)
    corpus = spoil(args.corpus, args.work.name, args.labelled)
    name = f"{args.corpus}/{args.work.name}"
    turns = []
    model: Path | None = None
    for turn in range(args.turns):
        kept = Path(f"{name}.kept{turn}.parquet")
        by_model = [f"--ckpt={model}"] if model else []
        step("clean", corpus.labelled, kept, *by_model)
        found = {"kept": count(kept, corpus), **detection(kept, corpus)}
        train = [kept]
        if model:
            labelled = Path(f"{name}.labelled{turn}.parquet")
            calibrate = f"--calibrate={args.corpus}/validate.parquet"
            step("label", corpus.unlabelled, labelled, f"--ckpt={model}", calibrate, f"--max-wer={args.max_wer}")
            found["machine"] = count(labelled, corpus)
            train.append(labelled)
        run = args.work / f"turn{turn}.{args.steps}.{args.seed}"
        splits = [f"--data.{split}={args.corpus}/{split}.parquet" for split in ("validate", "test")]
        data = [f"--data.train=[{', '.join(map(str, train))}]", *splits]
        setup = [f"--model.tokenizer={args.corpus}/tokenizer.model", f"--trainer.max_steps={args.steps}"]
        fit(run, *data, *setup, f"--seed_everything={args.seed}", *args.options, config=args.config)
        test = json.loads((run / "test_metrics.json").read_text())
        turns.append({"turn": turn, **found, "test": {"mean": test["mean"], **test["domains"]}})
        model = run / "checkpoints/best.ckpt"
        write_report(args.out, {"steps": args.steps, "turns": turns})
    Console().print(table(turns))
    plot(turns).savefig(args.out.with_suffix(".png"), dpi=110)


def spoil(folder: Path, name: str, share: float) -> Corpus:
    """Divide the training part of a corpus, spoil texts of the first part and drop those of the second."""
    manifest = read_manifest(folder / "train.parquet")
    texts = [manifest.text(row) for row in range(len(manifest))]
    labelled = np.zeros(len(manifest), np.bool_)
    for rows in manifest.rows_by_domain():
        labelled[rows[: round(share * len(rows))]] = True
    spoiled, kinds = spoil_texts(manifest, labelled)
    paths = {split: folder / f"{name}.{split}.parquet" for split in ("labelled", "unlabelled")}
    _write(manifest, spoiled, labelled, paths["labelled"])
    _write(manifest, [""] * len(texts), ~labelled, paths["unlabelled"])
    ids = manifest.table["id"].to_pylist()
    by_id = {name: kind for name, kind in zip(ids, kinds.tolist(), strict=True) if kind}
    return Corpus(**paths, texts=dict(zip(ids, texts, strict=True)), kinds=by_id)


def spoil_texts(manifest: Manifest, among: npt.NDArray[np.bool_]) -> tuple[list[str], npt.NDArray[np.str_]]:
    """Plant label errors of each kind in a third of some rows; return all texts, and the kind of each that is wrong."""
    ids = manifest.table["id"].to_pylist()
    texts = [manifest.text(row) for row in range(len(manifest))]
    spoiled, kinds = list(texts), np.full(len(texts), "", dtype="<U10")
    for rows in manifest.rows_by_domain():
        for kind, part in zip(KINDS, np.array_split(rows[among[rows]], len(KINDS)), strict=True):
            of_part = [Row(ids[i], "", texts[i], str(manifest.value(i, "domain"))) for i in part.tolist()]
            planted, wrong = label_errors.plant(of_part, kind, WRONG, lambda rows: [])
            kinds[part[wrong]] = kind
            for i, row in zip(part.tolist(), planted, strict=True):
                spoiled[i] = row.text
    return spoiled, kinds


def _write(manifest: Manifest, texts: list[str], rows: npt.NDArray[np.bool_], out: Path) -> None:
    table = with_column(manifest.table, "text", pa.array(texts))
    write_manifest(table.filter(rows), out, manifest.normalizer)


def step(name: str, source: Path, out: Path, *options: str) -> None:
    """Run a step over a corpus anew."""
    for path in (out, rejected_path(out)):
        path.unlink(missing_ok=True)
    call("-m", "stt", "corpus", name, str(source), f"--out={out}", *options, output=out.with_suffix(".txt"))


def count(path: Path, corpus: Corpus) -> dict[str, Any]:
    """Return hours, utterances and label errors of a manifest."""
    manifest = read_manifest(path)
    pairs = [(corpus.texts[name], manifest.text(row)) for row, name in enumerate(manifest.table["id"].to_pylist())]
    return {
        "hours": float(manifest.durations.sum()) / 3600,
        "utterances": len(manifest),
        "wrong": sum(true != text for true, text in pairs),
        "cer": corpus_cer(pairs),
        "wer": corpus_wer(pairs),
    }


def detection(kept: Path, corpus: Corpus) -> dict[str, Any]:
    """Compare what was rejected with the label errors: precision, and recall of all and of each kind."""
    before, after = ({*read_manifest(path).table["id"].to_pylist()} for path in (corpus.labelled, kept))
    rejected, wrong = before - after, {name for name in before if name in corpus.kinds}
    recall = {
        kind: len({name for name in rejected if corpus.kinds.get(name) == kind})
        / max(1, sum(corpus.kinds[name] == kind for name in wrong))
        for kind in KINDS
    }
    return {
        "rejected": len(rejected),
        "precision": len(rejected & wrong) / max(1, len(rejected)),
        "recall": {"all": len(rejected & wrong) / len(wrong), **recall},
    }


def table(turns: list[dict[str, Any]]) -> Table:
    """Format the turns: hours, label errors, detection, test error rates."""
    result = Table()
    for heading in ("turn", "hours\nkept", "wrong\n%", "preci-\nsion", "recall", "hours by\nmachine", "their\nWER %"):
        result.add_column(heading, justify="right")
    for heading in ("test\nCER %", "test\nWER %"):
        result.add_column(heading, justify="right")
    for turn in turns:
        kept, machine, mean = turn["kept"], turn.get("machine"), turn["test"]["mean"]
        by_machine = [f"{machine['hours']:.2f}", f"{100 * machine['wer']:.1f}"] if machine else ["", ""]
        result.add_row(
            str(turn["turn"]),
            f"{kept['hours']:.2f}",
            f"{100 * kept['wrong'] / kept['utterances']:.1f}",
            f"{turn['precision']:.2f}",
            f"{turn['recall']['all']:.2f}",
            *by_machine,
            *(f"{100 * mean[kind]:.2f}" for kind in ("cer", "wer")),
        )
    return result


def plot(turns: list[dict[str, Any]]) -> Figure:
    """Plot hours of right and wrong labels, by who made them, and the test CER, by turn."""
    figure, (hours, rates) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    numbers = [turn["turn"] for turn in turns]
    bottom = np.zeros(len(turns))
    for who, label in (("kept", "human"), ("machine", "machine")):
        of = [turn.get(who, {"hours": 0.0, "utterances": 1, "wrong": 0}) for turn in turns]
        wrong = np.array([one["hours"] * one["wrong"] / one["utterances"] for one in of])
        right = np.array([one["hours"] for one in of]) - wrong
        for values, color, what in ((right, {"human": "C0", "machine": "C2"}[label], "right"), (wrong, "C3", "wrong")):
            hatch = "//" if label == "machine" else ""
            hours.bar(numbers, values, bottom=bottom, color=color, hatch=hatch, label=f"{label}, {what}")
            bottom += values
    hours.set(xlabel="turn", ylabel="hours of training speech", xticks=numbers)
    hours.legend(fontsize="small")
    for domain in turns[0]["test"]:
        style = {"color": "black", "linewidth": 2} if domain == "mean" else {"alpha": 0.6}
        rates.plot(numbers, [100 * turn["test"][domain]["cer"] for turn in turns], marker="o", label=domain, **style)
    rates.set(xlabel="turn", ylabel="test CER %", xticks=numbers, ylim=(0, None))
    rates.legend(fontsize="small")
    return figure


if __name__ == "__main__":
    main()
