"""The command `python -m stt transcribe`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from stt.errors import InputError
from stt.progress import track


def transcribe(
    checkpoint: Path,
    files: list[Path],
    as_json: Annotated[bool, typer.Option("--json", help="one JSON line a file, with times and confidence")] = False,
    device: Annotated[str | None, typer.Option(help="cpu, cuda ...; default: a GPU where there is one")] = None,
    beam: Annotated[Path | None, typer.Option(help="search as `lm tune` has found best: its configuration")] = None,
    lm: Annotated[Path | None, typer.Option(help="search with a language model of `lm train`")] = None,
    alpha: Annotated[float | None, typer.Option(help="weight of the language model")] = None,
    beta: Annotated[float | None, typer.Option(help="reward of each word")] = None,
    beam_width: Annotated[int | None, typer.Option(help="texts that the search follows", min=1)] = None,
    hot_word: Annotated[list[str] | None, typer.Option(help="word to prefer; may be given several times")] = None,
    corrector: Annotated[Path | None, typer.Option(help="rewrite the text by a corrector of `corrector train`")] = None,
) -> None:
    """Print the text of audio files: any format that libsndfile reads, any rate, mono or stereo."""
    from stt.decoding.beam import read_options
    from stt.inference.transcriber import Transcriber  # takes seconds to import, which --help should not

    given: dict[str, Any] = {"lm": lm and str(lm), "alpha": alpha, "beta": beta, "beam_width": beam_width}
    given["hot_words"] = tuple(hot_word) if hot_word else None
    options = read_options(beam, **{name: value for name, value in given.items() if value is not None})
    transcriber = Transcriber(checkpoint, device, options, corrector)
    failed = 0
    for path in track(files, "transcribing"):
        try:
            transcript = transcriber.transcribe(path)
        except InputError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)
            continue
        if as_json:
            line = {
                "audio": str(path),
                "text": transcript.text,
                "duration": round(transcript.duration, 3),
                "confidence": round(transcript.confidence, 4),
                "normalizer": transcriber.model.normalizer.name,
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
