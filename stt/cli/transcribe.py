"""The command `stt transcribe`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from stt.errors import InputError
from stt.progress import track

app = typer.Typer()


@app.command()
def transcribe(
    checkpoint: Path,
    files: Annotated[list[str], typer.Argument(help="paths, or URLs such as https://...")],
    as_json: Annotated[
        bool, typer.Option("--json", help="print one JSON line per file, with times and confidence")
    ] = False,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ... (default: a GPU if there is one)")] = None,
    decoder: Annotated[Path | None, typer.Option(help="decoder configuration, for example from `lm tune`")] = None,
    lm: Annotated[Path | None, typer.Option(help="language model from `lm train`, for beam search")] = None,
    alpha: Annotated[float | None, typer.Option(help="weight of the language model")] = None,
    beta: Annotated[float | None, typer.Option(help="bonus per word")] = None,
    beam_width: Annotated[
        int | None, typer.Option(help="number of hypotheses that the beam search keeps", min=1)
    ] = None,
    hot_word: Annotated[list[str] | None, typer.Option(help="word to boost; may be repeated")] = None,
    corrector: Annotated[
        Path | None, typer.Option(help="corrector from `corrector train`, which rewrites the transcript")
    ] = None,
) -> None:
    """Print the transcripts of audio files: any format that libsndfile reads, any sample rate, mono or stereo."""
    from stt.decoding.options import read_options  # imported here to keep --help fast
    from stt.recognition.decoders import build_decoder
    from stt.recognition.recognizer import default_device, load

    given: dict[str, Any] = {"lm": lm and str(lm), "alpha": alpha, "beta": beta, "beam_width": beam_width}
    given["hot_words"] = tuple(hot_word) if hot_word else None
    beam = {name: value for name, value in given.items() if value is not None}
    postprocessor = None
    if corrector:
        from stt.correction import Correction

        postprocessor = Correction(str(corrector))
    options = read_options(decoder, postprocessor, **beam)
    recognizer = load(checkpoint, device or default_device())
    decode = build_decoder(options, recognizer.tokenizer, recognizer.normalizer.name)
    failed = 0
    for path in track(files, "transcribing"):
        try:
            transcript = recognizer.transcribe(path, decoder=decode)
        except InputError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)
            continue
        if as_json:
            line = {
                "audio": path,
                "text": transcript.text,
                "duration": round(transcript.duration, 3),
                "confidence": round(transcript.confidence, 4),
                "normalizer": recognizer.normalizer.name,
                "words": [
                    {
                        name: round(value, 4) if isinstance(value, float) else value
                        for name, value in asdict(word).items()
                    }
                    for word in transcript.words
                ],
            }
            print(json.dumps(line, ensure_ascii=False))
        else:
            print(transcript.text if len(files) == 1 else f"{path}\t{transcript.text}")
    if failed:
        raise typer.Exit(2)
