import pytest
import torch

from stt.audio.augment import Augmentation, add_noise
from stt.errors import InputError


def hidden_share(strength: float) -> float:
    torch.manual_seed(0)
    features = torch.ones(200, 120, 64)
    masked = Augmentation(strength).features(features, torch.full((200,), 120))
    return float((masked == 0).float().mean())


def test_strength_zero_changes_nothing() -> None:
    assert hidden_share(0.0) == 0
    waveforms = torch.randn(3, 4000)
    assert Augmentation(0.0).waveforms(waveforms, torch.full((3,), 4000)) is waveforms
    assert torch.equal(add_noise(waveforms, torch.full((3,), 4000), torch.zeros(3)), waveforms)


def test_more_strength_hides_more() -> None:
    shares = [hidden_share(strength) for strength in (0.2, 0.5, 1.0)]
    assert 0 < shares[0] < shares[1] < shares[2] < 0.7


def test_noise_comes_at_the_ratio_that_the_strength_stands_for() -> None:
    torch.manual_seed(0)
    lengths = torch.tensor([8000, 3000] * 100)
    waveforms = torch.sin(torch.arange(8000) / 7).repeat(200, 1) * (torch.arange(8000) < lengths.unsqueeze(1))
    for strength, lowest in ((0.2, 48), (0.5, 30), (1.0, 0)):
        noise = add_noise(waveforms, lengths, torch.full((200,), strength)) - waveforms
        snr_db = 10 * torch.log10(waveforms.square().sum(1) / noise.square().sum(1))
        assert float(snr_db.min()) == pytest.approx(lowest, abs=1)
        assert float(snr_db.max()) == pytest.approx(lowest + 20, abs=1)
        assert noise[1, 3000:].abs().max() == 0


def test_noise_has_colours_from_white_to_brown() -> None:
    torch.manual_seed(0)
    waveforms = torch.full((100, 16384), 0.1)
    noise = add_noise(waveforms, torch.full((100,), 16384), torch.ones(100)) - waveforms
    power = torch.fft.rfft(noise).abs().square()
    fall = torch.log10(power[:, 100:200].mean(1) / power[:, 1000:2000].mean(1))  # over a decade
    assert -0.1 < float(fall.min()) < 0.3
    assert 1.7 < float(fall.max()) < 2.1


def test_silence_stays_silent_and_finite() -> None:
    assert add_noise(torch.zeros(2, 800), torch.full((2,), 800), torch.ones(2)).abs().max() == 0


def test_nothing_is_changed_in_evaluation() -> None:
    features, waveforms = torch.ones(4, 50, 64), torch.ones(4, 800)
    augment = Augmentation(1.0).eval()
    assert augment.features(features, torch.full((4,), 50)) is features
    assert augment.waveforms(waveforms, torch.full((4,), 800)) is waveforms


def test_masks_scale_with_the_length_of_each_utterance() -> None:
    torch.manual_seed(0)
    masked = Augmentation(1.0).features(torch.ones(300, 200, 16), torch.tensor([20] * 150 + [200] * 150))
    shares = (masked == 0).all(dim=2).float()
    assert shares[:150, :20].mean() == pytest.approx(float(shares[150:].mean()), abs=0.06)


def test_each_utterance_has_its_own_strength() -> None:
    torch.manual_seed(0)
    masked = Augmentation(0.5).features(torch.ones(40, 100, 32), torch.full((40,), 100), torch.tensor([0.0, 1.0] * 20))
    assert (masked[::2] == 1).all()
    assert ((masked[1::2] == 0).flatten(1).any(1)).all()


def test_a_strength_outside_0_and_1_is_refused() -> None:
    with pytest.raises(InputError, match="strength"):
        Augmentation(1.5)
