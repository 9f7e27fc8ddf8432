"""Encoders to choose from in a configuration."""

from stt.models.conv_transformer import ConvTransformer
from stt.models.deep_speech import DeepSpeech2
from stt.models.encoder import Encoder
from stt.models.wav2letter import Wav2Letter

__all__ = ["ConvTransformer", "DeepSpeech2", "Encoder", "Wav2Letter"]
