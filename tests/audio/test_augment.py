import pytest
import torch

from stt.audio.augment import SpecAugment
from stt.errors import InputError


def hidden_share(strength: float) -> float:
    torch.manual_seed(0)
    features = torch.ones(200, 120, 64)
    masked, _ = SpecAugment(strength)(features, torch.full((200,), 120))
    return float((masked == 0).float().mean())


def test_strength_zero_changes_nothing() -> None:
    assert hidden_share(0.0) == 0


def test_more_strength_hides_more() -> None:
    shares = [hidden_share(strength) for strength in (0.2, 0.5, 1.0)]
    assert 0 < shares[0] < shares[1] < shares[2] < 0.7


def test_nothing_is_hidden_in_evaluation() -> None:
    features = torch.ones(4, 50, 64)
    assert SpecAugment(1.0).eval()(features, torch.full((4,), 50))[0] is features


def test_masks_scale_with_the_length_of_each_utterance() -> None:
    torch.manual_seed(0)
    masked, _ = SpecAugment(1.0)(torch.ones(300, 200, 16), torch.tensor([20] * 150 + [200] * 150))
    shares = (masked == 0).all(dim=2).float()
    assert shares[:150, :20].mean() == pytest.approx(float(shares[150:].mean()), abs=0.06)


def test_a_strength_outside_0_and_1_is_refused() -> None:
    with pytest.raises(InputError, match="strength"):
        SpecAugment(1.5)
