"""Training of a corrector: pairs of hypotheses and references, and the LightningModule that learns from them."""

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

from stt.checkpoint import read_checkpoint
from stt.corpus.manifest import Manifest
from stt.correction.corrector import BATCH, Corrector, pad_pieces
from stt.correction.corrupt import Corruptor
from stt.correction.network import PADDING
from stt.errors import InputError
from stt.metrics.confusions import count_confusions
from stt.metrics.error_rate import corpus_wer
from stt.recognition.evaluate import NetworkOutput, compute_outputs
from stt.recognition.recognizer import Recognizer
from stt.training.schedule import WarmupCosine

CORRUPTION_RATES = (0.0, 2.0)  # relative to the recognizer's error rate
LEARNING_RATE = 1e-3  # at its peak
IGNORED = -100  # target index that cross entropy ignores
Pair = tuple[str, str]  # hypothesis, reference


class CorrectorTraining(LightningModule):
    """Trains a corrector."""

    def __init__(self, corrector: Corrector, total_steps: int) -> None:
        """Set up the training of a corrector.

        Args:
            corrector: the corrector to train.
            total_steps: number of training steps.
        """
        super().__init__()
        self.corrector = corrector
        self.total_steps = total_steps

    def training_step(self, batch: list[Pair], batch_idx: int) -> Tensor:
        """Return the cross entropy of the next piece."""
        network, encode = self.corrector.network, self.corrector.tokenizer.encode
        sources, lengths = pad_pieces([encode(hypothesis) for hypothesis, _ in batch])
        targets = [encode(reference) for _, reference in batch]
        inputs, _ = pad_pieces([[PADDING, *target] for target in targets])
        labels = pad_sequence(
            [torch.tensor([*target, network.end]) for target in targets], batch_first=True, padding_value=IGNORED
        )
        logits = network(sources.to(self.device), lengths.to(self.device), inputs.to(self.device))
        loss = functional.cross_entropy(
            logits.flatten(0, 1), labels.to(self.device).flatten(), ignore_index=IGNORED, label_smoothing=0.05
        )
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch))
        return loss

    def validation_step(self, batch: list[Pair], batch_idx: int) -> None:
        """Log the WER after and before correction."""
        corrected = self.corrector.correct([hypothesis for hypothesis, _ in batch])
        words = max(1, sum(len(reference.split()) for _, reference in batch))
        for name, texts in {"val/wer": corrected, "val/wer_before": [hypothesis for hypothesis, _ in batch]}.items():
            rate = corpus_wer((reference, text) for (_, reference), text in zip(batch, texts, strict=True))
            self.log(name, rate, prog_bar=True, batch_size=words)  # weighted by words: the mean is that of the corpus

    def configure_optimizers(self) -> Any:
        """Build AdamW with warm-up and cosine decay."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)
        total = self.total_steps
        schedule = WarmupCosine(optimizer, max(1, total // 20), total)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


@dataclass(frozen=True)
class CorrectorResult:
    """Word error rates on the validation pairs, and the number of training pairs and skipped utterances."""

    before: float
    after: float
    pairs: int
    skipped: int


def recognized_pairs(
    model: Recognizer, manifest: Manifest, strength: float, max_per_domain: int | None, seed: int = 0
) -> tuple[list[Pair], int]:
    """Return pairs of a model's hypotheses on augmented audio and the references.

    A model makes few errors on its training data; with augmentation, it makes those that it makes on other data.

    Args:
        model: the recognizer.
        manifest: utterances.
        strength: augmentation strength, 0..1.
        max_per_domain: use the first utterances of each domain, up to this number; None uses all.
        seed: random seed of the augmentation.

    Returns:
        The pairs, and the number of utterances skipped because they cannot be read or tokenized.
    """
    pairs, skipped = [], 0
    for one in compute_outputs(model, manifest, max_per_domain, strength, seed):
        if isinstance(one, NetworkOutput) and one.utterance.tokens:
            pairs.append((one.greedy.text, one.utterance.reference))
        else:
            skipped += 1
    return pairs, skipped


class PairBatches(IterableDataset[list[Pair]]):
    """Endless batches, half of real pairs and half of texts with synthetic errors."""

    def __init__(self, pairs: Sequence[Pair], texts: Sequence[str], seed: int) -> None:
        """Estimate confusions from the pairs."""
        self.pairs = pairs
        self.texts = texts
        self.corrupt = Corruptor(count_confusions((reference, hypothesis) for hypothesis, reference in pairs))
        self.seed = seed

    def __iter__(self) -> Iterator[list[Pair]]:
        """Draw batches."""
        rng = np.random.default_rng(self.seed)
        while True:
            real = [self.pairs[i] for i in rng.integers(len(self.pairs), size=BATCH // 2)]
            texts = [self.texts[i] for i in rng.integers(len(self.texts), size=BATCH - len(real))]
            synthetic = [(self.corrupt(text, rng, rng.uniform(*CORRUPTION_RATES)), text) for text in texts]
            yield [(hypothesis, reference) for hypothesis, reference in (*real, *synthetic) if hypothesis]


def train_corrector(
    model: Recognizer,
    train: Manifest,
    validate: Manifest,
    texts: Sequence[str],
    out: Path,
    steps: int = 2000,
    strengths: Sequence[float] = (0.5, 1.0),
    max_per_domain: int | None = None,
    seed: int = 0,
) -> CorrectorResult:
    """Train a corrector and save the checkpoint with the lowest validation WER.

    Args:
        model: the recognizer whose errors are to be corrected.
        train: training utterances, each recognized once at every strength.
        validate: validation utterances.
        texts: additional normalized texts for synthetic errors; the references of `train` are always used.
        out: checkpoint to write.
        steps: number of training steps.
        strengths: augmentation strengths for the training audio.
        max_per_domain: maximum utterances per domain.
        seed: random seed.

    Raises:
        InputError: there is nothing to train on or to validate on.
    """
    pairs: list[Pair] = []
    skipped = 0
    for number, strength in enumerate(strengths):
        new_pairs, unusable = recognized_pairs(model, train, strength, max_per_domain, seed + number)
        pairs += new_pairs
        skipped += unusable
    held_out, unusable = recognized_pairs(model, validate, 0.0, max_per_domain)
    if not pairs or not held_out:
        raise InputError("there is nothing to train a corrector on: no utterance can be read and tokenized")
    references = [reference for _, reference in pairs]
    alphabet = model.tokenizer.alphabet
    usable = [text for text in texts if text and set(text) <= alphabet]
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # no startup banner
    torch.manual_seed(seed)
    corrector = Corrector(model.tokenizer.to_string(), model.normalizer.name)
    task = CorrectorTraining(corrector, steps)
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
            DataLoader(PairBatches(pairs, [*references, *usable], seed), batch_size=None),
            DataLoader(batches, batch_size=None),  # type: ignore[arg-type]
        )
        before = float(trainer.callback_metrics["val/wer_before"])
        assert best.best_model_score is not None
        task.load_state_dict(read_checkpoint(best.best_model_path)["state_dict"])
    corrector.save(out)
    return CorrectorResult(before, float(best.best_model_score), len(pairs), skipped + unusable)
