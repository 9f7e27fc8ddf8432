"""What the data must know of the recognizer that they are for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from stt.text.normalize import get_normalizer
from stt.text.tokenizer import Tokenizer


class Preprocessing:
    """How texts and audio are read: a tokenizer, a sample rate, a strength of the augmentation.

    A model that is trained hands its own to its data module; given by itself, the data need no model.

    Example:
        >>> import stt
        >>> preprocessing = stt.Preprocessing("letters.model", sample_rate=8_000)
        >>> data = stt.SpeechDataModule(validate="corpus.csv", num_workers=0, preprocessing=preprocessing)
        >>> data.setup("validate")
        >>> batch = next(iter(data.val_dataloader()))
        >>> batch.references, tuple(batch.waveforms.shape)
        (['a bad cab'], (1, 17600))
    """

    def __init__(
        self,
        tokenizer: Tokenizer | Path | str,
        sample_rate: int,
        strength: float = 0.0,
        normalizer: str = "plain-1",
        output_lengths: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        """Say how to read.

        Args:
            tokenizer: pieces that texts are written in, or its file.
            sample_rate: of the waveforms, Hz.
            strength: of the augmentation in training, 0 to 1, where the sampler does not change it.
            normalizer: versioned name, of the texts of manifests that were not made with it.
            output_lengths: gives the network's output frames (batch,) for so many samples (batch,), so that utterances
                which CTC cannot align are left out; None: nothing is known of a network, and every one fits.

        Raises:
            InputError: the tokenizer is not readable, or the normalizer is not known.
        """
        self.tokenizer = tokenizer if isinstance(tokenizer, Tokenizer) else Tokenizer.load(tokenizer)
        self.sample_rate = sample_rate
        self.strength = strength
        self.normalizer = get_normalizer(normalizer)
        self._output_lengths = output_lengths

    @property
    def frame_seconds(self) -> float:
        """Length of an output frame, seconds."""
        return 60.0 / int(self.output_lengths(torch.tensor([60 * self.sample_rate])))

    def output_lengths(self, samples: Tensor) -> Tensor:
        """Output frames (batch,) for so many samples (batch,)."""
        return samples if self._output_lengths is None else self._output_lengths(samples)

    @property
    def identity(self) -> tuple[str, str, int, float, float]:
        """What decides on what is read; two readings that agree in it give the same batches."""
        return self.tokenizer.content_hash, self.normalizer.name, self.sample_rate, self.frame_seconds, self.strength
