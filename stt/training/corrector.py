"""The training of a corrector: pairs of recognized and spoken texts, and the LightningModule that learns from them."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, IterableDataset

from stt.corpus.manifest import Manifest
from stt.correction.corrector import BATCH, Corrector, padded
from stt.correction.corrupt import Corruptor
from stt.correction.network import PADDING
from stt.errors import InputError
from stt.metrics.confusions import count_confusions
from stt.metrics.error_rate import corpus_wer
from stt.recognition.evaluate import Output, compute_outputs
from stt.recognition.recognizer import Recognizer
from stt.registry import read_checkpoint
from stt.training.schedule import WarmupCosine

RATES = (0.0, 2.0)  # of corruption, against the recognizer's own: from nothing to twice as much
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
            rate = corpus_wer((said, text) for (_, said), text in zip(batch, texts, strict=True))
            self.log(name, rate, prog_bar=True, batch_size=words)  # weighted by words: the mean is that of the corpus

    def configure_optimizers(self) -> Any:
        """AdamW with warm-up and cosine decay."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.lr, betas=(0.9, 0.98), weight_decay=0.01)
        total = self.total_steps
        schedule = WarmupCosine(optimizer, max(1, total // 20), total)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


@dataclass(frozen=True)
class Trained:
    """Word error rates on the pairs that were held out."""

    before: float
    after: float
    pairs: int
    skipped: int


def recognized_pairs(
    model: Recognizer, manifest: Manifest, strength: float = 0.0, most: int | None = None, seed: int = 0
) -> tuple[list[Pair], int]:
    """What a model understands of a manifest, distorted by a strength of the augmentation, and what was said.

    On what it was trained on a model makes few errors; distorted, it makes those that it makes elsewhere.

    Args:
        model: the recognizer.
        manifest: utterances.
        strength: of the distortion, 0..1.
        most: of each domain, the first ones; None takes all.
        seed: decides how each is distorted.

    Returns:
        The pairs, and how many utterances were left out because they cannot be read or written in the tokenizer.
    """
    outputs = list(compute_outputs(model, manifest, most, strength, seed))
    good = [one for one in outputs if isinstance(one, Output) and one.utterance.tokens]
    return [(one.greedy.text, one.utterance.reference) for one in good], len(outputs) - len(good)


class Draws(IterableDataset[list[Pair]]):
    """Endless batches: half of real pairs, half of texts with errors made in them."""

    def __init__(self, pairs: Sequence[Pair], texts: Sequence[str], seed: int) -> None:
        """Learn the errors of the pairs."""
        self.pairs = pairs
        self.texts = texts
        self.corrupt = Corruptor(count_confusions((said, recognized) for recognized, said in pairs))
        self.seed = seed

    def __iter__(self) -> Iterator[list[Pair]]:
        """Draw batch after batch."""
        rng = np.random.default_rng(self.seed)
        while True:
            real = [self.pairs[i] for i in rng.integers(len(self.pairs), size=BATCH // 2)]
            texts = [self.texts[i] for i in rng.integers(len(self.texts), size=BATCH - len(real))]
            made = [(self.corrupt(text, rng, rng.uniform(*RATES)), text) for text in texts]
            yield [(recognized, said) for recognized, said in (*real, *made) if recognized]


def train_corrector(
    model: Recognizer,
    train: Manifest,
    validate: Manifest,
    texts: Sequence[str],
    out: Path,
    steps: int = 2000,
    strengths: Sequence[float] = (0.5, 1.0),
    most: int | None = None,
    seed: int = 0,
) -> Trained:
    """Train a corrector and write the best one.

    Args:
        model: the recognizer that is to be corrected.
        train: utterances to make pairs of, each once for every strength.
        validate: utterances that decide which of the correctors is best.
        texts: more texts, normalized, to make errors in; those of `train` are there anyway.
        out: checkpoint to write.
        steps: of the training.
        strengths: of the distortion of the training's audio.
        most: utterances of each domain, at most.
        seed: decides on everything that is drawn.

    Raises:
        InputError: there is nothing to train or to validate on.
    """
    pairs: list[Pair] = []
    skipped = 0
    for number, strength in enumerate(strengths):
        found, lost = recognized_pairs(model, train, strength, most, seed + number)
        pairs += found
        skipped += lost
    held_out, lost = recognized_pairs(model, validate, 0.0, most)
    if not pairs or not held_out:
        raise InputError("there is nothing to train a corrector on: no utterance can be read and written")
    said = [said for _, said in pairs]
    alphabet = model.tokenizer.alphabet
    usable = [text for text in texts if text and set(text) <= alphabet]
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # its greeting is for trainings of one's own
    torch.manual_seed(seed)
    corrector = Corrector(model.tokenizer.to_string(), model.normalizer.name)
    task = CorrectorTraining(corrector, total_steps=steps)
    with tempfile.TemporaryDirectory() as folder:
        best = ModelCheckpoint(folder, monitor="val/wer", save_weights_only=True)
        trainer = Trainer(
            accelerator="auto",
            devices=1,
            max_steps=steps,
            val_check_interval=max(1, steps // 8),
            check_val_every_n_epoch=None,
            gradient_clip_val=1.0,
            callbacks=[best, RichProgressBar(refresh_rate=10)],
            logger=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        batches = [held_out[i : i + 4 * BATCH] for i in range(0, len(held_out), 4 * BATCH)]
        trainer.fit(
            task,
            DataLoader(Draws(pairs, [*said, *usable], seed), batch_size=None),
            DataLoader(batches, batch_size=None),  # type: ignore[arg-type]
        )
        before = float(trainer.callback_metrics["val/wer_before"])
        assert best.best_model_score is not None
        task.load_state_dict(read_checkpoint(best.best_model_path)["state_dict"])
    corrector.save(out)
    return Trained(before, float(best.best_model_score), len(pairs), skipped + lost)
