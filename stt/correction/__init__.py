"""Correction: a sequence-to-sequence network that rewrites recognized texts, and the post-processor that runs it."""

from stt.correction.postprocessor import Correction

__all__ = ["Correction"]
