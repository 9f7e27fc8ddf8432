"""The options of commands that transcribe, and the transcriber that they describe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:  # these import torch; --help should be fast
    from stt.recognition.transcriber import Transcriber

Device = Annotated[str | None, typer.Option(help="cpu, cuda, ... (default: a GPU if there is one)")]
Threads = Annotated[int | None, typer.Option(help="CPU threads of the network (default: all cores)", min=1, max=1024)]
Vad = Annotated[bool, typer.Option("--vad", help="transcribe only what silero-vad takes for speech")]
DecoderFile = Annotated[Path | None, typer.Option(help="decoder configuration, for example from `lm tune`")]
Lm = Annotated[Path | None, typer.Option(help="language model from `lm train`, for beam search")]
Alpha = Annotated[float | None, typer.Option(help="weight of the language model")]
Beta = Annotated[float | None, typer.Option(help="bonus per word")]
BeamWidth = Annotated[int | None, typer.Option(help="number of hypotheses that the beam search keeps", min=1)]
HotWords = Annotated[list[str] | None, typer.Option("--hot-word", help="word to boost; may be repeated")]
Corrector = Annotated[Path | None, typer.Option(help="corrector from `corrector train`, which rewrites the transcript")]


def build_transcriber(
    checkpoint: Path,
    device: str | None,
    threads: int | None,
    vad: bool,
    decoder: Path | None,
    corrector: Path | None,
    *,
    lm: Path | None,
    hot_words: list[str] | None,
    **beam: Any,
) -> Transcriber:
    """Build what the options ask for; `beam` are further fields of `BeamOptions`, None for those not given.

    Raises:
        InputError: a file is missing or does not fit the others, an option is out of range, or an extra is missing.
    """
    import torch  # imported here to keep --help fast

    from stt.audio.speech_detector import SpeechDetector
    from stt.decoding.options import read_options
    from stt.recognition.decoders import build_decoder
    from stt.recognition.recognizer import default_device, load
    from stt.recognition.transcriber import Transcriber

    if threads:
        torch.set_num_threads(threads)
    beam |= {"lm": lm and str(lm), "hot_words": tuple(hot_words) if hot_words else None}
    postprocessor = None
    if corrector:
        from stt.correction import Correction

        postprocessor = Correction(str(corrector))
    options = read_options(decoder, postprocessor, **{name: value for name, value in beam.items() if value is not None})
    recognizer = load(checkpoint, device or default_device())
    decode = build_decoder(options, recognizer.tokenizer, recognizer.normalizer.name)
    return Transcriber(recognizer, decode, SpeechDetector(recognizer.sample_rate) if vad else None)
