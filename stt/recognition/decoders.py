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
    if options.beam and options.custom:
        raise InputError("decoder.beam and decoder.custom exclude each other: give one of them")
    try:
        return _build(options, tokenizer, normalizer)
    except ModuleNotFoundError as error:
        raise missing_extra(error) from error


def _build(options: DecoderOptions, tokenizer: Tokenizer, normalizer: str) -> Decoder:
    decoder: Decoder = Greedy(tokenizer)
    if options.beam:
        from stt.decoding.beam import BeamSearch  # KenLM, which is built from source; greedy decoding needs none

        decoder = BeamSearch(tokenizer, normalizer, options.beam)
    if options.custom:
        decoder = options.custom.build(tokenizer, normalizer)
    if options.postprocessor:
        from stt.decoding.postprocessing import PostProcessed  # alignments, which come with the extra `train`

        decoder = PostProcessed(decoder, options.postprocessor.build(tokenizer, normalizer))
    return decoder
