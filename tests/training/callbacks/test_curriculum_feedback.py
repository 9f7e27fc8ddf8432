from pathlib import Path

import numpy as np
import pytest
import torch

from stt.data.batch import Batch, Utterance, collate
from stt.decoding.greedy import greedy_decode
from stt.metrics.error_rate import character_error_rate
from stt.models.ctc import ctc_losses
from stt.text.tokenizer import Tokenizer
from stt.training.callbacks.curriculum_feedback import PendingObservations
from stt.training.random_labels import random_losses

FRAMES = 12


@pytest.fixture
def tokenizer(tokenizer_file: Path) -> Tokenizer:
    return Tokenizer.load(str(tokenizer_file))


def batch_of(texts: list[str], tokenizer: Tokenizer) -> Batch:
    silence = np.zeros(800, np.float32)
    return collate(
        [Utterance(10 + i, f"{i}.wav", "d", 0.1, silence, text, tokenizer.encode(text)) for i, text in enumerate(texts)]
    )


def outputs_of(batch: Batch, tokenizer: Tokenizer) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    log_probs = torch.randn(len(batch.lengths), FRAMES, tokenizer.vocab_size).log_softmax(-1)
    frames = torch.full((len(batch.lengths),), FRAMES)
    counted = (frames >= batch.frames_needed) & (batch.token_lengths > 0)
    lengths = torch.where(counted, batch.token_lengths, 0)
    losses = ctc_losses(log_probs, frames, batch.tokens, lengths, tokenizer.blank_id)
    random, usable = random_losses(log_probs, frames, batch, tokenizer.blank_id)
    random_labels = {"random_losses": random, "random_counted": usable}
    return {"log_probs": log_probs, "frames": frames, "losses": losses, "counted": counted, **random_labels}


def test_random_losses_are_those_of_the_neighbors_label(tokenizer: Tokenizer) -> None:
    batch = batch_of(["ab", "cde", "a"], tokenizer)
    outputs = outputs_of(batch, tokenizer)
    losses, usable = random_losses(outputs["log_probs"], outputs["frames"], batch, tokenizer.blank_id)
    assert usable.all()
    for i in range(3):
        target = torch.tensor([tokenizer.encode(batch.references[i - 1])])
        alone = ctc_losses(
            outputs["log_probs"][i : i + 1],
            outputs["frames"][i : i + 1],
            target,
            torch.tensor([target.shape[1]]),
            tokenizer.blank_id,
        )
        torch.testing.assert_close(losses[i], alone[0])


def test_a_neighbor_with_the_same_or_too_long_a_text_is_not_usable(tokenizer: Tokenizer) -> None:
    batch = batch_of(["ab", "ab", "a" * 30, "c"], tokenizer)
    outputs = outputs_of(batch, tokenizer)
    _, usable = random_losses(outputs["log_probs"], outputs["frames"], batch, tokenizer.blank_id)
    assert usable.tolist() == [True, False, True, False]
    alone = batch_of(["ab"], tokenizer)
    outputs = outputs_of(alone, tokenizer)
    assert not random_losses(outputs["log_probs"], outputs["frames"], alone, tokenizer.blank_id)[1].any()


def test_observations_come_from_the_steps_own_hypotheses(tokenizer: Tokenizer) -> None:
    batch = batch_of(["ab", "cde", "a" * 30], tokenizer)
    outputs = outputs_of(batch, tokenizer)
    seen = PendingObservations.of(batch, outputs, tokenizer, judge_labels=True).read()
    hypotheses = greedy_decode(outputs["log_probs"], outputs["frames"], tokenizer)
    assert seen.hypotheses == {10 + i: hypothesis.text for i, hypothesis in enumerate(hypotheses)}
    expected = [character_error_rate(r, h.text) for r, h in zip(batch.references, hypotheses, strict=True)]
    np.testing.assert_allclose(seen.cers, expected, rtol=1e-6)
    np.testing.assert_allclose(seen.losses[:2], outputs["losses"][:2], rtol=1e-6)
    assert np.isnan(seen.losses[2]), "it cannot be aligned with its frames"
    without = PendingObservations.of(batch, outputs, tokenizer, judge_labels=False).read()
    assert np.isnan(without.random_losses).all()


def test_an_empty_batch_has_no_observations(tokenizer: Tokenizer) -> None:
    batch = collate([])
    seen = PendingObservations.of(batch, outputs_of(batch, tokenizer), tokenizer, judge_labels=True).read()
    assert len(seen.rows) == len(seen.cers) == 0
