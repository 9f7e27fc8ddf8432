"""The decoder options of `stt transcribe`, `stt serve`, `stt export` and `stt bench infer`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from stt.decoding.options import BeamOptions, DecoderOptions

DecoderFile = Annotated[Path | None, typer.Option(help="decoder configuration, for example from `lm tune`")]
LanguageModel = Annotated[Path | None, typer.Option(help="language model from `lm train`, for beam search")]
Alpha = Annotated[float | None, typer.Option(help="weight of the language model")]
Beta = Annotated[float | None, typer.Option(help="bonus per word")]
BeamWidth = Annotated[int | None, typer.Option(help="number of hypotheses that the beam search keeps", min=1)]
HotWords = Annotated[list[str] | None, typer.Option(help="word to boost; may be repeated")]
Corrector = Annotated[Path | None, typer.Option(help="corrector from `corrector train`, which rewrites the transcript")]


def decoder_options(
    decoder: Path | None,
    lm: Path | None,
    alpha: float | None,
    beta: float | None,
    beam_width: int | None,
    hot_words: Sequence[str] | None,
    corrector: Path | None,
    *,
    own: BeamOptions | None = None,
) -> DecoderOptions:
    """Combine the options of the command line, which override those of the file, or the model's own without a file.

    Raises:
        InputError: the file is missing or not a decoder configuration, or an option is out of range.
    """
    from stt.decoding.options import read_options  # imported here to keep --help fast

    given: dict[str, Any] = {"lm": lm and str(lm), "alpha": alpha, "beta": beta, "beam_width": beam_width}
    given["hot_words"] = tuple(hot_words) if hot_words else None
    beam = {name: value for name, value in given.items() if value is not None}
    postprocessor = None
    if corrector:
        from stt.correction import Correction

        postprocessor = Correction(str(corrector))
    if own and not decoder:  # an export brings a decoder
        beam = {**asdict(own), **beam}
    return read_options(decoder, postprocessor, **beam)
