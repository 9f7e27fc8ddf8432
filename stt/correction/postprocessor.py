"""The corrector as a text post-processor, its only interface to decoding."""

from __future__ import annotations

from stt.correction.corrector import Corrector
from stt.decoding.options import PostProcessor, Rewriter
from stt.text.tokenizer import Tokenizer


class Correction(PostProcessor):
    """Rewrites recognized texts with a corrector; set it as `decoder.postprocessor` in a configuration."""

    def __init__(self, path: str) -> None:
        """Set the path of a file written by `stt corrector train`."""
        self.path = path

    def build(self, tokenizer: Tokenizer, normalizer: str) -> Rewriter:
        """Load the corrector.

        Raises:
            InputError: the file is missing or damaged, or belongs to another tokenizer or normalizer.
        """
        corrector = Corrector.load(self.path)
        corrector.check(tokenizer, normalizer)
        return corrector.correct
