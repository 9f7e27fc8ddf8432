"""Build a decoder from its options, for a recognizer's tokenizer and normalizer."""

from __future__ import annotations

from stt.decoding.decoder import Decoder, Greedy
from stt.decoding.options import DecoderOptions
from stt.errors import InputError, missing_extra
from stt.text.tokenizer import Tokenizer


def build_decoder(options: DecoderOptions, tokenizer: Tokenizer, normalizer: str) -> Decoder:
    """Build a decoder.

    Raises:
        InputError: a file named in the options is missing or was made for another model, two decoders are given,
            or the extra that a decoder needs is not installed.
    """
    if options.beam and options.custom:
        raise InputError("decoder.beam and decoder.custom are mutually exclusive")
    try:
        return _build(options, tokenizer, normalizer)
    except ModuleNotFoundError as error:
        raise missing_extra(error) from error


def _build(options: DecoderOptions, tokenizer: Tokenizer, normalizer: str) -> Decoder:
    decoder: Decoder = Greedy(tokenizer)
    if options.beam:
        from stt.decoding.beam import BeamSearch  # imports KenLM, which greedy decoding does not need

        decoder = BeamSearch(tokenizer, normalizer, options.beam)
    if options.custom:
        decoder = options.custom.build(tokenizer, normalizer)
    if options.postprocessor:
        from stt.decoding.postprocessing import PostProcessingDecoder  # imports rapidfuzz, of the extra `train`

        decoder = PostProcessingDecoder(decoder, options.postprocessor.build(tokenizer, normalizer))
    return decoder
