"""The commands `stt bench ...`."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stt.cli.decoder_options import (
    Alpha,
    BeamWidth,
    Beta,
    Corrector,
    DecoderFile,
    HotWords,
    LanguageModel,
    decoder_options,
)
from stt.cli.options import Manifests
from stt.corpus.manifest import read_manifests
from stt.errors import InputError
from stt.progress import track
from stt.training.subprocesses import measure_training

if TYPE_CHECKING:
    from stt.inference.stages import Model

STRENGTHS = [0.2, 0.5, 0.9]
CLIP_SECONDS = [5.0, 15.0, 30.0]
BATCHES = [1, 8]
app = typer.Typer(help="Measure speed and memory.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Measure speed and memory."""


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def train(
    context: typer.Context,
    steps: Annotated[int, typer.Option(help="number of steps to measure", min=1, max=10_000_000)] = 20,
    warmup: Annotated[int, typer.Option(help="warm-up steps before the measurement", min=0, max=10_000_000)] = 5,
    precision: Annotated[list[str] | None, typer.Option(help="precision to measure; may be repeated")] = None,
    with_compile: Annotated[
        bool, typer.Option("--compile", help="also measure each variant with torch.compile")
    ] = False,
    batch_seconds: Annotated[
        list[float] | None, typer.Option(help="maximum audio seconds per batch to measure; may be repeated")
    ] = None,
    out: Annotated[Path, typer.Option(help="folder for the output of the training runs")] = Path("runs/bench"),
) -> None:
    """Measure training and print JSON: speed, time share of each phase of a step, memory.

    All other options are those of `train.py fit`: --config FILE ...
    """
    alternatives = [
        [[]] if not precision else [[f"--trainer.precision={value}"] for value in precision],
        [[]] if not batch_seconds else [[f"--data.max_batch_seconds={value:g}"] for value in batch_seconds],
        [[], ["--model.compile=true"]] if with_compile else [[]],
    ]
    variants = [list(itertools.chain(*combination)) for combination in itertools.product(*alternatives)]
    reports = []
    for number, variant in enumerate(track(variants, "measuring")):
        options = [*context.args, *variant]
        reports.append({"options": variant, **measure_training(options, out / str(number), warmup, steps)})
    print(json.dumps(reports, indent=1))


@app.command()
def loading(
    manifests: Manifests,
    strength: Annotated[list[float], typer.Option(help="augmentation strength; may be repeated")] = STRENGTHS,
    sample_rate: Annotated[int, typer.Option(help="sample rate, Hz", min=1_000, max=384_000)] = 16_000,
    utterances: Annotated[int, typer.Option(help="maximum utterances per domain", min=1)] = 300,
) -> None:
    """Measure the RTFx (audio seconds per second) of one core reading and augmenting; print JSON by domain."""
    from stt.data.loading_speed import loading_speed  # imported here to keep --help fast

    print(json.dumps(loading_speed(read_manifests(manifests), sample_rate, strength, utterances), indent=1))


@app.command()
def infer(
    model: Annotated[Path | None, typer.Argument(help="checkpoint or exported folder")] = None,
    config: Annotated[
        Path | None, typer.Option(help="model configuration to measure untrained, instead of a checkpoint")
    ] = None,
    tokenizer: Annotated[Path | None, typer.Option(help="tokenizer for --config: its size is that of the head")] = None,
    audio: Annotated[
        list[Path] | None, typer.Option(help="manifest of real speech; may be repeated (default: generated signals)")
    ] = None,
    seconds: Annotated[
        list[float], typer.Option(help="duration of the clips; may be repeated", min=0.1, max=600)
    ] = CLIP_SECONDS,
    batch: Annotated[list[int], typer.Option(help="clips at once; may be repeated", min=1, max=256)] = BATCHES,
    repeats: Annotated[int, typer.Option(help="measurements of each case; the median counts", min=1)] = 7,
    minutes: Annotated[float, typer.Option(help="audio for the speed on all cores, with --audio", min=0.01)] = 10.0,
    decoder: DecoderFile = None,
    lm: LanguageModel = None,
    alpha: Alpha = None,
    beta: Beta = None,
    beam_width: BeamWidth = None,
    hot_word: HotWords = None,
    corrector: Corrector = None,
) -> None:
    """Measure the RTFx of features, network and decoding on one core, and with --audio on all; print JSON."""
    from stt.inference.data_set_speed import measure_data_set  # imported here to keep --help fast
    from stt.inference.load import load
    from stt.inference.report import measure_inference
    from stt.inference.speed import Case
    from stt.inference.threads import available_cores
    from stt.inference.untrained import build_untrained
    from stt.text.tokenizer import Tokenizer

    if (model is None) == (config is None):
        raise InputError("give either a checkpoint or --config, whose network is then measured untrained")
    if config and not tokenizer:
        raise InputError("--config needs --tokenizer FILE, whose size is that of the network's head")
    given = (decoder, lm, alpha, beta, beam_width, hot_word, corrector)
    decoder_options(*given)  # fail before the network is loaded

    def load_model(threads: int) -> Model:
        if model:  # threads of PyTorch are limited while it is measured
            return load(model, "cpu", threads if model.is_dir() else None)
        return build_untrained(config or Path(), Tokenizer.load(tokenizer or ""))

    recognizer = load_model(1)
    options = decoder_options(*given, own=recognizer.decoder_options.beam)
    manifest = read_manifests(audio) if audio else None
    cases = [Case(one, size) for one in seconds for size in batch]
    report = measure_inference(recognizer, options, cases, repeats, manifest)
    if manifest:
        parallel = load_model(available_cores())
        report["data_set"] = measure_data_set(parallel, options, manifest, 60 * minutes, repeats)
    print(json.dumps({"model": str(model or config), "trained": model is not None, **report}, indent=1))
