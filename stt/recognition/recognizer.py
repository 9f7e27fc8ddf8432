"""The recognizer: front end, encoder, CTC head, tokenizer and normalizer in one self-contained module."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from stt.audio.features import FrontEnd
from stt.audio.io import Waveform
from stt.audio.source import AudioSource
from stt.checkpoint import check_weights, read_checkpoint
from stt.decoding.decoder import Decoder
from stt.decoding.greedy import greedy_decode
from stt.decoding.options import DecoderOptions
from stt.decoding.words import Hypothesis
from stt.errors import InputError, reason
from stt.files import atomic_write
from stt.models.encoder import Encoder
from stt.recognition.acoustic_model import NOT_A_NUMBER, Lengths, LogProbs
from stt.recognition.description import KEY, VERSION, extract_description
from stt.recognition.transcriber import Transcriber
from stt.recognition.transcript import Transcript
from stt.registry import build, describe
from stt.tensors import length_mask
from stt.text.normalize import Normalizer, get_normalizer
from stt.text.tokenizer import Tokenizer


class Recognizer(nn.Module):
    """Speech recognizer from waveforms to text; independent of the Trainer, and saved in a single file.

    For inference, `load` and then `transcribe`. The classes of front end and encoder must be registered
    (`stt.register`), so that a checkpoint can refer to them by name.

    Example:
        >>> import stt
        >>> recognizer = stt.Recognizer.load("model.ckpt")
        >>> recognizer.sample_rate, recognizer.train_domains
        (8000, ['narration'])
        >>> [word.text for word in recognizer.transcribe("speech.wav").words]
        ['a', 'bad', 'cab']
        >>> recognizer.save("copy.ckpt")
    """

    def __init__(self, features: FrontEnd, encoder: Encoder, tokenizer: Tokenizer, normalizer: Normalizer) -> None:
        """Assemble the parts, with a newly initialized head.

        Args:
            features: front end from waveforms to feature frames.
            encoder: network from feature frames to output frames.
            tokenizer: its pieces are the output classes of the head.
            normalizer: normalizer of the training and reference texts.

        Raises:
            InputError: the class of a part is not registered, or its arguments cannot be stored in a checkpoint.
        """
        super().__init__()
        self.features = features
        self.encoder = encoder
        self.head = nn.Linear(encoder.d_model, tokenizer.vocab_size)
        self.tokenizer = tokenizer
        self.normalizer = normalizer
        self.train_domains: list[str] = []  # domains of the training data
        self.utterance_seconds: float | None = None  # three quarters of the training utterances were no longer
        self.description()  # fail now rather than at the first checkpoint

    @classmethod
    def load(cls, path: Path | str, device: torch.device | str = "cpu") -> Recognizer:
        """Load a training checkpoint or a file written by `save` for inference; no code in the file is executed.

        Raises:
            InputError: the file is missing, damaged or not a checkpoint, refers to a class that is not registered, or
                has weights that are not finite.
        """
        recognizer = cls.from_content(read_checkpoint(path), path)
        try:
            return recognizer.eval().to(device)
        except (RuntimeError, AssertionError) as error:  # AssertionError: torch was built without CUDA
            raise InputError(f"the device {device} cannot be used ({reason(error)})") from error

    @classmethod
    def from_content(cls, content: dict[str, Any], path: Path | str) -> Recognizer:
        """Build the recognizer described in what `read_checkpoint` returned for a path, and load its weights.

        Raises:
            InputError: the description is missing or invalid, or the weights do not match it or are not finite.
        """
        try:
            return cls._from_content(content)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    @classmethod
    def _from_content(cls, content: dict[str, Any]) -> Recognizer:
        recognizer = cls.from_description(extract_description(content))
        try:
            recognizer.load_state_dict(content["state_dict"])
        except Exception as error:  # names and values of the file may be anything
            raise InputError(f"its weights do not match its description ({reason(error)})") from error
        check_weights(recognizer)
        return recognizer

    @classmethod
    def from_description(cls, description: dict[str, Any]) -> Recognizer:
        """Build a recognizer with newly initialized weights from the result of `description`.

        Raises:
            InputError: the description is invalid or refers to something unknown.
        """
        recognizer = cls(
            build(description["features"], FrontEnd),
            build(description["encoder"], Encoder),
            Tokenizer.from_string(description["tokenizer"]),
            get_normalizer(description["normalizer"]),
        )
        recognizer.train_domains = [str(domain) for domain in description["train_domains"]]
        recognizer.utterance_seconds = description.get("utterance_seconds")
        return recognizer

    def description(self) -> dict[str, Any]:
        """Return everything but the weights as plain values for a checkpoint.

        Raises:
            InputError: the class of a part is not registered, or its arguments cannot be stored in a checkpoint.
        """
        return {
            "version": VERSION,
            "features": describe(self.features),
            "encoder": describe(self.encoder),
            "tokenizer": self.tokenizer.to_string(),
            "normalizer": self.normalizer.name,
            "train_domains": list(self.train_domains),
            "utterance_seconds": self.utterance_seconds,
        }

    def save(self, path: Path | str) -> None:
        """Write a file for `load`: description and weights, without training state."""
        with atomic_write(path) as temporary:
            torch.save({KEY: self.description(), "state_dict": self.state_dict()}, temporary)

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.head.weight.device

    @property
    def sample_rate(self) -> int:
        """Sample rate of the waveforms, Hz."""
        return self.features.sample_rate

    @property
    def frame_seconds(self) -> float:
        """Duration of an output frame, seconds."""
        return self.frame_samples / self.sample_rate

    @property
    def frame_samples(self) -> int:
        """Number of samples from one output frame to the next."""
        long = torch.tensor([1 << 30])  # of which the rounding at the ends is no part
        return round(int(long) / int(self.output_lengths(long)))

    @property
    def decoder_options(self) -> DecoderOptions:
        """The decoder of a checkpoint: greedy."""
        return DecoderOptions()

    def output_lengths(self, samples: Tensor) -> Tensor:
        """Map numbers of samples (batch,) to numbers of output frames (batch,)."""
        return self.encoder.output_lengths(self.features.output_lengths(samples))

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map waveforms (batch, sample) into float32 log_probs (batch, frame, vocab) and lengths (batch,)."""
        return self.log_probs(*self.features(waveforms, lengths))

    def log_probs(self, features: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Map features (batch, frame, mel) to float32 log_probs (batch, frame, vocab) and lengths (batch,)."""
        x, frames = self.encoder(features, frames)
        return torch.log_softmax(self.head(x).float(), dim=-1), frames

    def compute(self, waveforms: Waveform, lengths: Lengths) -> tuple[LogProbs, Lengths]:
        """Map arrays of waveforms (batch, sample) and lengths (batch,) to log_probs and lengths, without gradients."""
        with inference(self):
            log_probs, frames = self(
                torch.from_numpy(waveforms).to(self.device), torch.from_numpy(lengths).to(self.device)
            )
        return log_probs.cpu().numpy(), frames.cpu().numpy()

    def recognize(self, waveforms: Tensor, lengths: Tensor) -> list[Hypothesis]:
        """Decode waveforms (batch, sample) of `lengths` samples (batch,), on the recognizer's device, greedily."""
        with inference(self):
            log_probs, frames = self(waveforms, lengths)
            check_outputs(log_probs, frames, [f"waveform {i + 1} of the batch" for i in range(len(waveforms))])
            return greedy_decode(log_probs, frames, self.tokenizer)

    def transcribe(
        self,
        source: AudioSource | Path | str | npt.NDArray[np.floating[Any]] | Tensor,
        sample_rate: float | None = None,
        decoder: Decoder | None = None,
    ) -> Transcript:
        """Transcribe a recording of any length: `Transcriber.transcribe`.

        Args:
            source: a file, URL or byte range in any format that libsndfile or FFmpeg reads, or a waveform (sample,) in
                [-1, 1].
            sample_rate: sample rate of the waveform, Hz; ignored for files.
            decoder: decoder to use; None: greedy decoding.

        Raises:
            AudioError: the file cannot be read.
            InputError: the waveform is not mono, finite and floating point, its sample rate is missing, or the
                network's output for it is not a number.
        """
        return Transcriber(self, decoder).transcribe(source, sample_rate)


def default_device() -> str:
    """Return "cuda" if a GPU is available, otherwise "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def check_outputs(log_probs: Tensor, frames: Tensor, names: Sequence[str]) -> None:
    """Check that log_probs (batch, frame, vocab) hold no NaN, which would be decoded to an empty text.

    Args:
        log_probs: network output.
        frames: number of valid frames (batch,).
        names: name of each utterance for the message; rows without one are padding.

    Raises:
        InputError: the output for an utterance is not a number.
    """
    wrong = (log_probs.isnan().any(dim=-1) & length_mask(frames, log_probs.shape[1])).any(dim=-1).tolist()
    for name, is_wrong in zip(names, wrong, strict=False):
        if is_wrong:
            raise InputError(f"{name}: {NOT_A_NUMBER}")


@contextlib.contextmanager
def inference(module: nn.Module) -> Iterator[None]:
    """Disable dropout and gradients in a block, then restore the training mode of every submodule."""
    training = {part: part.training for part in module.modules()}  # frozen parts may be in evaluation mode
    module.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for part, was_training in training.items():
            part.training = was_training
