"""The corrector as a LightningModule: learns from pairs of texts, corrects texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from stt.corrector.network import PADDING, CorrectorNetwork
from stt.errors import InputError
from stt.metrics.error_rate import character_error_rate, word_edits
from stt.task import warmup_cosine
from stt.text.tokenizer import Tokenizer

BATCH = 64  # texts
NO_TARGET = -100  # cross entropy leaves it out

Pair = tuple[str, str]  # what was recognized, what was said


class Corrector(LightningModule):
    """A sequence-to-sequence transformer over the pieces of a recognizer's tokenizer, which it carries with it."""

    def __init__(
        self,
        tokenizer: str,
        normalizer: str,
        d_model: int = 128,
        num_layers: int = 2,
        num_heads: int = 4,
        dropout: float = 0.1,
        lr: float = 1e-3,
        total_steps: int = 2000,
        most_changed: float = 0.6,
    ) -> None:
        """Set up.

        Args:
            tokenizer: of the recognizer, as a string or a file.
            normalizer: name of that of the recognizer.
            d_model: width.
            num_layers: of the encoder, and as many of the decoder.
            num_heads: of each attention.
            dropout: share of what is left out in training.
            lr: peak of the learning rate.
            total_steps: of the training.
            most_changed: a correction that changes more than this share of a text's characters is not taken:
                the network has lost the thread.
        """
        super().__init__()
        self.save_hyperparameters()
        self.tokenizer = Tokenizer.load(tokenizer)
        self.network = CorrectorNetwork(self.tokenizer.vocab_size, d_model, num_layers, num_heads, dropout)

    @classmethod
    def load(cls, path: Path | str) -> Corrector:
        """Load a checkpoint of `corrector train`, with no code run from it.

        Raises:
            InputError: the file is missing or not such a checkpoint.
        """
        if not Path(path).is_file():
            raise InputError(f"{path}: there is no such corrector; make one with python -m stt corrector train")
        try:
            return cls.load_from_checkpoint(path, map_location="cpu", weights_only=True).eval()
        except Exception as error:  # torch's unpickler and zip reader raise many kinds
            raise InputError(f"{path}: not a corrector ({type(error).__name__})") from error

    def check(self, tokenizer: Tokenizer, normalizer: str) -> None:
        """See that a recognizer writes what this corrector reads.

        Raises:
            InputError: it has another tokenizer or another normalizer.
        """
        if tokenizer.content_hash != self.tokenizer.content_hash or normalizer != self.hparams["normalizer"]:
            raise InputError("the corrector was trained for a model with another tokenizer or normalizer")

    def correct(self, texts: Sequence[str]) -> list[str]:
        """Correct texts; what comes out otherwise than a text of the same sense could is left as it was."""
        corrected = list(texts)
        places = sorted((i for i, text in enumerate(texts) if text), key=lambda i: len(texts[i]))
        for start in range(0, len(places), BATCH):
            batch = places[start : start + BATCH]
            sources = [self.tokenizer.encode(texts[i]) for i in batch]
            longest = math.ceil(1.5 * max(map(len, sources))) + 5
            padded, lengths = _padded(sources)
            written = self.network.generate(padded.to(self.device), lengths.to(self.device), longest)
            for i, tokens in zip(batch, written, strict=True):
                text = self.tokenizer.decode(tokens)
                if text and character_error_rate(texts[i], text) <= self.hparams["most_changed"]:
                    corrected[i] = text
        return corrected

    def training_step(self, batch: list[Pair], batch_idx: int) -> Tensor:
        """Cross entropy of the next piece."""
        sources, lengths = _padded([self.tokenizer.encode(recognized) for recognized, _ in batch])
        targets = [self.tokenizer.encode(said) for _, said in batch]
        begun, _ = _padded([[PADDING, *target] for target in targets])
        wanted = pad_sequence(
            [torch.tensor([*target, self.network.end]) for target in targets], batch_first=True, padding_value=NO_TARGET
        )
        logits = self.network(sources.to(self.device), lengths.to(self.device), begun.to(self.device))
        loss = functional.cross_entropy(
            logits.flatten(0, 1), wanted.to(self.device).flatten(), ignore_index=NO_TARGET, label_smoothing=0.05
        )
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch))
        return loss

    def validation_step(self, batch: list[Pair], batch_idx: int) -> None:
        """WER after the correction, and before it."""
        corrected = self.correct([recognized for recognized, _ in batch])
        words = max(1, sum(len(said.split()) for _, said in batch))
        for name, texts in {"val/wer": corrected, "val/wer_before": [recognized for recognized, _ in batch]}.items():
            edits = sum(word_edits(said, text) for (_, said), text in zip(batch, texts, strict=True))
            self.log(name, edits / words, prog_bar=True, batch_size=words)  # weighed by words: edits over words of all

    def configure_optimizers(self) -> Any:
        """AdamW with warm-up and cosine decay."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams["lr"], betas=(0.9, 0.98), weight_decay=0.01)
        total = self.hparams["total_steps"]
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: warmup_cosine(step, max(1, total // 20), total)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put the tokenizer itself in place of its path."""
        checkpoint["hyper_parameters"]["tokenizer"] = self.tokenizer.to_string()


def _padded(texts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Pieces (batch, place) with `PADDING` behind each text, and lengths (batch,)."""
    tensors = [torch.tensor(list(text) or [PADDING]) for text in texts]
    lengths = torch.tensor([len(text) for text in texts])
    return pad_sequence(tensors, batch_first=True, padding_value=PADDING), lengths
