"""The commands `stt lm ...`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
import yaml

from stt.corpus.manifest import read_manifests
from stt.corpus.texts import read_texts
from stt.errors import InputError
from stt.files import atomic_write, write_text
from stt.text.normalize import get_normalizer

app = typer.Typer(help="Create language models.", no_args_is_help=True)


@app.callback()
def lm() -> None:
    """Create language models."""


@app.command()
def train(
    texts: Annotated[list[Path], typer.Argument(help="text files with one sentence per line, and manifests")],
    out: Annotated[Path, typer.Option(help="language model to write (.binary)")],
    order: Annotated[int, typer.Option(help="longest n-gram")] = 4,
    normalizer: Annotated[str, typer.Option(help="normalizer of the recognizer")] = "plain-1",
    prune: Annotated[
        list[int] | None, typer.Option(help="drop n-grams with at most this count; once for each order, from 2-grams")
    ] = None,
    memory: Annotated[str, typer.Option(help="maximum memory for sorting")] = "1G",
) -> None:
    """Estimate an n-gram language model with modified Kneser-Ney smoothing, for beam search."""
    from stt.decoding.train_lm import train_language_model

    normalize = get_normalizer(normalizer)
    report = train_language_model((text.text for text in read_texts(texts)), out, normalize, order, prune or (), memory)
    print(f"{report.lines} lines, {report.words} words, {report.vocabulary} of them distinct, written to {out}")
    for reason, count in report.skipped.most_common():
        print(f"skipped: {count} lines for {reason}")


@app.command()
def tune(
    checkpoint: Path,
    manifests: Annotated[list[Path], typer.Argument(help="validation manifests; not the test set")],
    lm: Annotated[Path, typer.Option(help="language model of `lm train`")],
    out: Annotated[
        Path, typer.Option(help="decoder configuration to write, for train.py and transcribe, with a plot next to it")
    ],
    beam_width: Annotated[int, typer.Option(help="beam width while tuning the weights", min=1)] = 50,
    utterances: Annotated[int, typer.Option(help="maximum utterances per domain", min=1)] = 200,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
) -> None:
    """Tune alpha, beta and beam width for a language model; all domains have equal weight."""
    import matplotlib as mpl

    mpl.use("agg")
    from stt.decoding.options import BeamOptions  # imported here to keep --help fast
    from stt.recognition.recognizer import Recognizer
    from stt.recognition.tuning import tune as search
    from stt.reports.tuning import plot_tuning

    plot_file = out.with_suffix(".png")
    if plot_file == out:
        raise InputError(f"{out}: the plot gets this name; end the name of the configuration in .yaml")
    model = Recognizer.load(checkpoint, device)
    options = BeamOptions(str(lm), beam_width=beam_width)
    tuned = search(model, read_manifests(manifests), options, max_per_domain=utterances)
    beam = {name: value for name, value in asdict(tuned.options).items() if name != "hot_words"}
    write_text(out, yaml.safe_dump({"decoder": {"beam": beam}}, sort_keys=False))
    with atomic_write(plot_file) as temporary:
        figure = plot_tuning(tuned.alphas, tuned.betas, tuned.wers, tuned.widths, tuned.greedy)
        figure.savefig(temporary, dpi=110, format="png")
    best = tuned.options
    print(f"alpha {best.alpha:g}, beta {best.beta:g}, beam width {best.beam_width}: WER {100 * tuned.wer:.2f} %")
    print(f"greedy: WER {100 * tuned.greedy:.2f} %; written to {out}, plot: {plot_file}")
