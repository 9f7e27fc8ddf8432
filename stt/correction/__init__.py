"""Error correction: a sequence-to-sequence network that rewrites recognized texts, and its post-processor."""

from stt.correction.postprocessor import Correction

__all__ = ["Correction"]
