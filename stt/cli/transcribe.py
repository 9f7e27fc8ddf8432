"""The command `stt transcribe`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
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
from stt.errors import InputError
from stt.files import atomic_write
from stt.progress import track_seconds
from stt.recognition.formats import FORMATS, render

if TYPE_CHECKING:
    from stt.recognition.inputs import Input
    from stt.recognition.transcriber import Transcriber
    from stt.recognition.transcript import Transcript

app = typer.Typer()


@app.command()
def transcribe(
    checkpoint: Annotated[Path, typer.Argument(help="checkpoint, or folder of stt export")],
    files: Annotated[list[str], typer.Argument(help="files, URLs, folders, manifests, or - for standard input")],
    file_format: Annotated[str, typer.Option("--format", help="text, json, srt, vtt or textgrid")] = "text",
    out: Annotated[
        Path | None, typer.Option(help="folder for one file per recording; default: standard output")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ... (default: a GPU if there is one)")] = None,
    threads: Annotated[
        int | None, typer.Option(help="CPU threads of the network (default: all cores)", min=1, max=1024)
    ] = None,
    vad: Annotated[bool, typer.Option("--vad", help="transcribe only what silero-vad takes for speech")] = False,
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
    from stt.inference.load import load  # imported here to keep --help fast
    from stt.recognition.decoders import build_decoder
    from stt.recognition.inputs import check_paths, find_inputs
    from stt.recognition.transcriber import Transcriber

    given = (decoder, lm, alpha, beta, beam_width, hot_word, corrector)
    decoder_options(*given)  # fail before the network is loaded
    recognizer = load(checkpoint, device, threads)
    options = decoder_options(*given, own=recognizer.decoder_options.beam)
    decode = build_decoder(options, recognizer.tokenizer, recognizer.normalizer.name)
    detector = None
    if vad:
        from stt.audio.speech_detector import SpeechDetector

        detector = SpeechDetector(recognizer.sample_rate)
    with TemporaryDirectory() as folder:
        inputs = find_inputs(files, Path(folder))
        if out:
            check_paths(inputs, out, FORMATS[file_format])
        if file_format not in ("text", "json") and not out and len(inputs) > 1:
            raise InputError(f"--format {file_format}: {len(inputs)} recordings need a folder: --out FOLDER")
        failed = 0
        for one, result in _results(Transcriber(recognizer, decode, detector), inputs):
            if isinstance(result, InputError):
                failed += 1
                print(f"error: {result}", file=sys.stderr)
                continue
            content = render(result, file_format, one.recording.name, recognizer.normalizer.name)
            if out:
                with atomic_write(out / f"{one.path}{FORMATS[file_format]}") as temporary:
                    temporary.write_text(content, encoding="utf-8", errors="backslashreplace")
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
