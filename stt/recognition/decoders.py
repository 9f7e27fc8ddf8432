"""Makes the decoder that options name, for a recognizer's tokenizer and normalizer."""

from __future__ import annotations

from stt.decoding.decoder import Decoder, Greedy
from stt.decoding.options import DecoderOptions
from stt.errors import InputError, missing_extra
from stt.text.tokenizer import Tokenizer


def build_decoder(options: DecoderOptions, tokenizer: Tokenizer, normalizer: str) -> Decoder:
    """Make a decoder.

    Raises:
        InputError: a file that the options name is missing, or was made for another model, or two decoders are named,
            or the extra that a decoder needs is not installed.
    """
    if options.beam and options.own:
        raise InputError("decoder.beam and decoder.own both say how to decode: give one of them")
    try:
        return _build(options, tokenizer, normalizer)
    except ModuleNotFoundError as error:
        raise missing_extra(error) from error


def _build(options: DecoderOptions, tokenizer: Tokenizer, normalizer: str) -> Decoder:
    decoder: Decoder = Greedy(tokenizer)
    if options.beam:
        from stt.decoding.beam import BeamSearch  # KenLM, which is built from source; greedy decoding needs none

        decoder = BeamSearch(tokenizer, normalizer, options.beam)
    if options.own:
        decoder = options.own.build(tokenizer, normalizer)
    if options.corrector:
        from stt.correction.corrector import Corrector
        from stt.correction.decoder import Corrected

        corrector = Corrector.load(options.corrector)
        corrector.check(tokenizer, normalizer)
        decoder = Corrected(decoder, corrector.correct)
    return decoder
