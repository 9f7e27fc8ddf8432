"""Preprocessing settings that the data share with the recognizer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from stt.text.normalize import get_normalizer
from stt.text.tokenizer import Tokenizer


class Preprocessing:
    """How texts and audio are preprocessed: tokenizer, normalizer, sample rate and augmentation strength.

    A model in training passes its own to the data module; passed explicitly, a data module works without a model.

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
        """Set up preprocessing.

        Args:
            tokenizer: tokenizer of the targets, or its file.
            sample_rate: of the waveforms, Hz.
            strength: of the augmentation in training, 0 to 1, unless the sampler changes it.
            normalizer: versioned name; applied to texts of manifests that were not made with it.
            output_lengths: returns the network's output frames (batch,) for numbers of samples (batch,), so that
                utterances which CTC cannot align are skipped; None if the network is unknown: none is skipped for that.

        Raises:
            InputError: the tokenizer is not readable, or the normalizer is unknown.
        """
        self.tokenizer = tokenizer if isinstance(tokenizer, Tokenizer) else Tokenizer.load(tokenizer)
        self.sample_rate = sample_rate
        self.strength = strength
        self.normalizer = get_normalizer(normalizer)
        self._output_lengths = output_lengths

    @property
    def frame_seconds(self) -> float:
        """Duration of an output frame, seconds."""
        return 60.0 / int(self.output_lengths(torch.tensor([60 * self.sample_rate])))

    def output_lengths(self, samples: Tensor) -> Tensor:
        """Return the number of output frames (batch,) for numbers of samples (batch,)."""
        return samples if self._output_lengths is None else self._output_lengths(samples)

    @property
    def identity(self) -> tuple[str, str, int, float, float]:
        """All settings that affect the batches; equal identities produce equal batches."""
        return self.tokenizer.content_hash, self.normalizer.name, self.sample_rate, self.frame_seconds, self.strength
