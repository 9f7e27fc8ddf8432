"""The options of `stt transcribe` and `stt serve`, and the transcriber that they describe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stt.cli.decoder_options import decoder_options

if TYPE_CHECKING:  # these import torch; --help should be fast
    from stt.recognition.transcriber import Transcriber

Model = Annotated[Path, typer.Argument(help="checkpoint, or folder of stt export")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, ... (default: a GPU if there is one)")]
Threads = Annotated[int | None, typer.Option(help="CPU threads of the network (default: all cores)", min=1, max=1024)]
Vad = Annotated[bool, typer.Option("--vad", help="transcribe only what silero-vad takes for speech")]


def build_transcriber(model: Path, device: str | None, threads: int | None, vad: bool, *decoder: Any) -> Transcriber:
    """Build what the options ask for; `decoder` are those of `decoder_options`.

    Raises:
        InputError: a file is missing or does not fit the others, an option is out of range, or an extra is missing.
    """
    from stt.inference.load import load  # imported here to keep --help fast
    from stt.recognition.decoders import build_decoder
    from stt.recognition.transcriber import Transcriber

    decoder_options(*decoder)  # fail before the network is loaded
    recognizer = load(model, device, threads)
    options = decoder_options(*decoder, own=recognizer.decoder_options.beam)
    detector = None
    if vad:
        from stt.audio.speech_detector import SpeechDetector

        detector = SpeechDetector(recognizer.sample_rate)
    decode = build_decoder(options, recognizer.tokenizer, recognizer.normalizer.name)
    return Transcriber(recognizer, decode, detector)
