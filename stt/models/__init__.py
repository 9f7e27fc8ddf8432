"""Encoders that a config can name."""

from stt.models.encoder import ConvTransformer, Encoder

__all__ = ["ConvTransformer", "Encoder"]
