"""One model for all sources of English against one for each, and against all without one: the gap on unseen sources.

Every domain contributes as much audio to each of these runs as to the run on all sources: with half of the domains,
half of the steps. The last checkpoints are tested on all of dev and on a source that no run trains on. Runs that the
report has already are not repeated.

    make english-corpus && python benchmarks/english.py --out docs/results/english.json
"""

from __future__ import annotations

import argparse
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from common import ROOT, call, fit, seeded, write_report

mpl.use("agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from stt.corpus.manifest import read_manifest
from stt.progress import track

SOURCES = ("speechocean762", "kathleen", "commonvoice")
UNSEEN = "ivr_prompts"


def main() -> None:
    """Train all runs and write the report."""
    parser = parser_of(__doc__, "english_sources", "english")
    parser.add_argument("--runs", nargs="+", choices=list(mixes()), default=list(mixes()))
    parser.add_argument("--steps", type=int, default=4000, help="of the run on all sources")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    domains = {source: read_manifest(args.corpus / f"{source}.dev.parquet").domains for source in (*SOURCES, UNSEEN)}
    total = sum(len(domains[source]) for source in SOURCES)

    known: dict[str, Any] = {"runs": []}
    if args.out.exists():
        known = json.loads(args.out.read_text())
    before = [run for run in known["runs"] if run["of_steps"] == args.steps]

    def result(job: tuple[str, int]) -> dict[str, Any]:
        name, seed = job
        sources = mixes()[name]
        steps = round(args.steps * sum(len(domains[source]) for source in sources) / total)
        run = args.work / f"{name}.{args.steps}.{seed}"
        options = [*seeded(seed), "--data.num_workers=0", *args.options]
        train_and_test(run, args.corpus, sources, steps, options)
        figures = {"run": name, "sources": sources, "seed": seed, "steps": steps, "of_steps": args.steps}
        return {**figures, **rates(run)}

    done = {(run["run"], run["seed"]) for run in before}
    jobs = [(name, seed) for seed in args.seeds for name in args.runs if (name, seed) not in done]
    with ThreadPoolExecutor(args.jobs) as pool:
        runs = [*before, *track(pool.map(result, jobs), "training", len(jobs))]
    names = [name for name in mixes() if any(run["run"] == name for run in runs)]
    summary = {name: summarize([run for run in runs if run["run"] == name], domains) for name in names}
    print(json.dumps(summary, indent=1))
    write_report(args.out, {"summary": summary, "runs": runs})
    plot(summary, domains).savefig(args.out.with_suffix(".png"), dpi=110)


def parser_of(description: str | None, work: str, out: str) -> argparse.ArgumentParser:
    """Return a parser of the options that trainings on the sources of English share."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=Path("corpora/english"), help="imported by make english-corpus")
    parser.add_argument("--work", type=Path, default=Path(f"runs/{work}"))
    parser.add_argument("--out", type=Path, default=Path(f"docs/results/{out}.json"))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--jobs", type=int, default=1, help="concurrent trainings, one thread each")
    parser.add_argument("options", nargs="*", help="further options for train.py, after --")
    return parser


def mixes() -> dict[str, tuple[str, ...]]:
    """Return the sources of every run: all, each alone, all without each."""
    alone = {f"only_{source}": (source,) for source in SOURCES}
    without = {f"without_{source}": tuple(one for one in SOURCES if one != source) for source in SOURCES}
    return {"all": SOURCES, **alone, **without}


def train_and_test(run: Path, corpus: Path, sources: tuple[str, ...], steps: int, options: list[str]) -> None:
    """Train on some sources and test the last checkpoint on all; a finished run is not repeated."""
    if (run / "test_metrics.json").exists():
        return
    train, validate = (listed([corpus / f"{one}.{split}.parquet" for one in sources]) for split in ("train", "dev"))
    manifests = [f"--data.train={train}", f"--data.validate={validate}", f"--data.batches_per_epoch={steps // 3}"]
    setup = [*manifests, f"--model.tokenizer={corpus}/tokenizer.model", f"--trainer.max_steps={steps}", *options]
    if "kathleen" not in sources:  # no target for a domain that there is not
        setup.append("--data.sampler.target_by_domain={}")
    fit(run, *setup, config=ROOT / "configs/data/english.yaml")
    run_test(run, corpus)


def run_test(run: Path, corpus: Path) -> None:
    """Test the last checkpoint of a run on all sources."""
    test = listed([corpus / f"{one}.dev.parquet" for one in (*SOURCES, UNSEEN)])
    checkpoint = f"--ckpt_path={run}/checkpoints/last.ckpt"
    call(str(ROOT / "train.py"), "test", checkpoint, f"--data.test={test}", f"--run={run}", output=run / "test.txt")


def rates(run: Path) -> dict[str, dict[str, float]]:
    """Return CER and WER of a tested run by domain."""
    test = json.loads((run / "test_metrics.json").read_text())["domains"]
    return {kind: {domain: test[domain][kind] for domain in test} for kind in ("cer", "wer")}


def listed(paths: list[Path]) -> str:
    """Return paths as one option of the command line."""
    return f"[{', '.join(map(str, paths))}]"


def summarize(runs: list[dict[str, Any]], domains: dict[str, list[str]]) -> dict[str, float]:
    """Return mean CERs over seeds: of every domain, of every source (mean over its domains), of all but the unseen."""
    by_domain = {domain: float(np.mean([run["cer"][domain] for run in runs])) for domain in runs[0]["cer"]}
    sources = {source: float(np.mean([by_domain[domain] for domain in of])) for source, of in domains.items()}
    known = float(np.mean([by_domain[domain] for source in SOURCES for domain in domains[source]]))
    return {key: round(value, 4) for key, value in {**by_domain, **sources, "mean": known}.items()}


def plot(summary: dict[str, dict[str, float]], domains: dict[str, list[str]]) -> Figure:
    """Draw the CER of every run on every source; sources that the run did not hear are framed."""
    columns = list(domains)
    values = np.array([[100 * row[source] for source in columns] for row in summary.values()])
    figure, axis = plt.subplots(figsize=(7, 0.6 * len(summary) + 1.5), layout="constrained")
    image = axis.imshow(values, cmap="viridis_r", aspect="auto", vmin=values.min(), vmax=values.max())
    for (y, x), value in np.ndenumerate(values):
        heard = columns[x] in mixes()[list(summary)[y]]
        dark = value > (values.min() + values.max()) / 2
        axis.text(x, y, f"{value:.1f}", ha="center", va="center", color="white" if dark else "black")
        if not heard:
            axis.add_patch(Rectangle((x - 0.46, y - 0.44), 0.92, 0.88, fill=False, edgecolor="C3", linewidth=2))
    axis.set_xticks(range(len(columns)), columns)
    axis.set_yticks(range(len(summary)), [name.replace("_", " ", 1) for name in summary])
    axis.set_title("CER %, last checkpoint on dev; framed: the source was not trained on")
    figure.colorbar(image)
    return figure


if __name__ == "__main__":
    main()
