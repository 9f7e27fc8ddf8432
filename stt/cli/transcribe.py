"""The command `stt transcribe`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from stt.cli.decoder_options import Alpha, BeamWidth, Beta, Corrector, DecoderFile, HotWords, LanguageModel
from stt.cli.recognizing import Device, Model, Threads, Vad, build_transcriber
from stt.errors import InputError
from stt.files import write_text
from stt.progress import track_seconds
from stt.recognition.formats import FORMATS, render

if TYPE_CHECKING:
    from stt.recognition.inputs import Input
    from stt.recognition.transcriber import Transcriber
    from stt.recognition.transcript import Transcript

app = typer.Typer()


@app.command()
def transcribe(
    checkpoint: Model,
    files: Annotated[list[str], typer.Argument(help="files, URLs, folders, manifests, or - for standard input")],
    file_format: Annotated[str, typer.Option("--format", help="text, json, srt, vtt or textgrid")] = "text",
    out: Annotated[
        Path | None, typer.Option(help="folder for one file per recording; default: standard output")
    ] = None,
    device: Device = None,
    threads: Threads = None,
    vad: Vad = False,
    decoder: DecoderFile = None,
    lm: LanguageModel = None,
    alpha: Alpha = None,
    beta: Beta = None,
    beam_width: BeamWidth = None,
    hot_word: HotWords = None,
    corrector: Corrector = None,
) -> None:
    """Transcribe recordings of any length in any format that libsndfile or FFmpeg reads, with the times of words."""
    if file_format not in FORMATS:
        raise InputError(f"--format {file_format}: choose one of {', '.join(FORMATS)}")
    from stt.recognition.inputs import check_paths, find_inputs  # imported here to keep --help fast

    given = (decoder, lm, alpha, beta, beam_width, hot_word, corrector)
    transcriber = build_transcriber(checkpoint, device, threads, vad, *given)
    normalizer = transcriber.recognizer.normalizer.name
    with TemporaryDirectory() as folder:
        inputs = find_inputs(files, Path(folder))
        if out:
            check_paths(inputs, out, FORMATS[file_format])
        if file_format not in ("text", "json") and not out and len(inputs) > 1:
            raise InputError(f"--format {file_format}: {len(inputs)} recordings need a folder: --out FOLDER")
        failed = 0
        for one, result in _results(transcriber, inputs):
            if isinstance(result, InputError):
                failed += 1
                print(f"error: {result}", file=sys.stderr)
                continue
            content = render(result, file_format, one.recording.name, normalizer)
            if out:
                write_text(out / f"{one.path}{FORMATS[file_format]}", content, errors="backslashreplace")
            elif file_format == "text":
                print(result.text if len(inputs) == 1 else f"{one.recording.name}\t{result.text}", flush=True)
            else:
                print(content, end="", flush=True)
    if out:
        print(f"{len(inputs) - failed} transcripts in {out}, {failed} recordings failed")
    if failed:
        raise typer.Exit(2)


def _results(transcriber: Transcriber, inputs: Sequence[Input]) -> Iterator[tuple[Input, Transcript | InputError]]:
    """Transcribe with a progress bar over the seconds of audio."""
    total = sum(one.seconds or 0.0 for one in inputs)
    with track_seconds("transcribing", total or None) as heard:
        recordings = (one.recording for one in inputs)
        yield from zip(inputs, transcriber.transcribe_all(recordings, heard), strict=True)
