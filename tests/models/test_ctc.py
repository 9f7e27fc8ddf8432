import itertools
import math

import pytest
import torch

from stt.models.ctc import ctc_losses, frames_needed


def collapse(path: tuple[int, ...]) -> list[int]:
    return [token for i, token in enumerate(path) if token and (i == 0 or path[i - 1] != token)]


def brute_force(log_probs: torch.Tensor, target: list[int]) -> float:
    """Sum the probability of every path that collapses to the target."""
    frames, vocab = log_probs.shape
    total = 0.0
    for path in itertools.product(range(vocab), repeat=frames):
        if collapse(path) == target:
            total += math.exp(sum(float(log_probs[i, token]) for i, token in enumerate(path)))
    return -math.log(total) if total else math.inf


@pytest.mark.parametrize("target", [[1], [1, 2], [1, 1], [2, 1, 2], []])
def test_the_loss_matches_brute_force_over_all_paths(target: list[int]) -> None:
    log_probs = torch.log_softmax(torch.randn(1, 5, 3, generator=torch.Generator().manual_seed(1)), dim=-1)
    padded = torch.tensor([[*target, 0, 0]])
    loss = ctc_losses(log_probs, torch.tensor([5]), padded, torch.tensor([len(target)]), blank_id=0)
    assert float(loss) * max(len(target), 1) == pytest.approx(brute_force(log_probs[0], target), rel=1e-5)


@pytest.mark.parametrize(("target", "frames"), [([1, 2], 1), ([1, 1], 2), ([1, 1, 1], 4)])
def test_one_frame_fewer_than_needed_cannot_be_aligned(target: list[int], frames: int) -> None:
    assert frames_needed(target) == frames + 1
    log_probs = torch.log_softmax(torch.randn(1, frames + 1, 3), dim=-1)
    for given, finite in ((frames, False), (frames + 1, True)):
        loss = ctc_losses(log_probs, torch.tensor([given]), torch.tensor([target]), torch.tensor([len(target)]), 0)
        assert bool(loss.isfinite()) is finite


def test_an_utterance_has_the_same_loss_alone_and_in_a_batch() -> None:
    log_probs = torch.log_softmax(torch.randn(3, 20, 5), dim=-1)
    lengths, targets = torch.tensor([20, 9, 14]), torch.tensor([[1, 2, 3], [4, 4, 0], [2, 0, 0]])
    counts = torch.tensor([3, 2, 1])
    together = ctc_losses(log_probs, lengths, targets, counts, 0)
    for i in range(3):
        part = slice(i, i + 1)
        alone = ctc_losses(log_probs[part, : lengths[i]], lengths[part], targets[part], counts[part], 0)
        torch.testing.assert_close(together[i], alone[0])
