"""The LightningModule: a corrector in training, from pairs of texts."""

from __future__ import annotations

from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from stt.corrector.corrector import Corrector, padded
from stt.corrector.network import PADDING
from stt.metrics.error_rate import word_edits
from stt.schedule import WarmupCosine

NO_TARGET = -100  # cross entropy leaves it out

Pair = tuple[str, str]  # what was recognized, what was said


class CorrectorTraining(LightningModule):
    """Trains a corrector."""

    def __init__(self, corrector: Corrector, lr: float = 1e-3, total_steps: int = 2000) -> None:
        """Take a corrector.

        Args:
            corrector: to be trained.
            lr: peak of the learning rate.
            total_steps: of the training.
        """
        super().__init__()
        self.corrector = corrector
        self.lr = lr
        self.total_steps = total_steps

    def training_step(self, batch: list[Pair], batch_idx: int) -> Tensor:
        """Cross entropy of the next piece."""
        network, encode = self.corrector.network, self.corrector.tokenizer.encode
        sources, lengths = padded([encode(recognized) for recognized, _ in batch])
        targets = [encode(said) for _, said in batch]
        begun, _ = padded([[PADDING, *target] for target in targets])
        wanted = pad_sequence(
            [torch.tensor([*target, network.end]) for target in targets], batch_first=True, padding_value=NO_TARGET
        )
        logits = network(sources.to(self.device), lengths.to(self.device), begun.to(self.device))
        loss = functional.cross_entropy(
            logits.flatten(0, 1), wanted.to(self.device).flatten(), ignore_index=NO_TARGET, label_smoothing=0.05
        )
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch))
        return loss

    def validation_step(self, batch: list[Pair], batch_idx: int) -> None:
        """WER after the correction, and before it."""
        corrected = self.corrector.correct([recognized for recognized, _ in batch])
        words = max(1, sum(len(said.split()) for _, said in batch))
        for name, texts in {"val/wer": corrected, "val/wer_before": [recognized for recognized, _ in batch]}.items():
            edits = sum(word_edits(said, text) for (_, said), text in zip(batch, texts, strict=True))
            self.log(name, edits / words, prog_bar=True, batch_size=words)  # weighed by words: edits over words of all

    def configure_optimizers(self) -> Any:
        """AdamW with warm-up and cosine decay."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.lr, betas=(0.9, 0.98), weight_decay=0.01)
        total = self.total_steps
        schedule = WarmupCosine(optimizer, max(1, total // 20), total)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
