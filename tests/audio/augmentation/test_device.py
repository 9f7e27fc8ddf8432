from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from stt.audio.augmentation.device import (
    Augmentation,
    add_noise,
    limit_band,
    random_window,
    reverberate,
    synthetic_noise,
    synthetic_rirs,
)
from stt.audio.augmentation.policy import TRANSFORMS, Transform
from stt.errors import InputError

RATE = 16_000


def augmentation(strength: float = 0.3, **folders: str) -> Augmentation:
    torch.manual_seed(0)
    augment = Augmentation(strength, **folders)
    augment.prepare(RATE)
    return augment.train()


def masked_share(strength: float) -> float:
    masked = augmentation().features(torch.ones(200, 120, 64), torch.full((200,), 120), torch.full((200,), strength))
    return float((masked == 0).float().mean())


def tones(count: int, samples: int = RATE) -> torch.Tensor:
    return 0.2 * torch.sin(2 * torch.pi * 440 * torch.arange(samples) / RATE).repeat(count, 1)


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda transform: transform.name)
def test_every_transform_scales_from_off_with_the_strength(transform: Transform) -> None:
    assert transform.probability(0.0) == 0
    assert not transform.sample_rows(torch.zeros(100)).any()
    probabilities = [transform.probability(s) for s in (0.2, 0.5, 0.9)]
    assert 0 < probabilities[0] <= probabilities[1] <= probabilities[2] <= 1
    for strength in (0.2, 0.5, 0.9):
        low, high = transform.range(strength)
        values = transform.sample_values(torch.full((500,), strength))
        assert low <= float(values.min()) <= float(values.max()) <= high
        assert abs(low - transform.harsh[0]) <= abs(transform.mild[0] - transform.harsh[0])


def test_strength_zero_changes_nothing() -> None:
    assert masked_share(0.0) == 0
    augment, waveforms = augmentation(), tones(3)
    assert augment.waveforms(waveforms, torch.full((3,), RATE), torch.zeros(3)) is waveforms
    mixed = augment.waveforms(waveforms, torch.full((3,), RATE), torch.tensor([0.0, 1.0, 0.0]))
    assert torch.equal(mixed[::2], waveforms[::2])
    assert not torch.equal(mixed[1], waveforms[1])


def test_a_higher_strength_masks_more() -> None:
    shares = [masked_share(strength) for strength in (0.2, 0.5, 1.0)]
    assert 0 < shares[0] < shares[1] < shares[2] < 0.75


def test_a_higher_strength_changes_the_waveform_more() -> None:
    waveforms, lengths = tones(100), torch.full((100,), RATE)
    changes = []
    for strength in (0.1, 0.4, 1.0):
        changed = augmentation().waveforms(waveforms, lengths, torch.full((100,), strength))
        correlation = torch.nn.functional.cosine_similarity(changed, waveforms, dim=1)
        changes.append(1 - float(correlation.mean()))
    assert 0 <= changes[0] < changes[1] < changes[2]


def test_padding_stays_silent() -> None:
    lengths = torch.tensor([RATE, RATE // 3] * 20)
    waveforms = tones(40) * (torch.arange(RATE) < lengths.unsqueeze(1))
    changed = augmentation().waveforms(waveforms, lengths, torch.ones(40))
    assert changed[1::2, RATE // 3 :].abs().max() == 0
    assert changed.abs().max() <= 1


def test_noise_is_mixed_at_the_requested_snr() -> None:
    torch.manual_seed(0)
    lengths = torch.tensor([8000, 3000] * 10)
    waveforms = tones(20, 8000) * (torch.arange(8000) < lengths.unsqueeze(1))
    requested = torch.linspace(0, 60, 20)
    noise = add_noise(waveforms, lengths, torch.randn(20, 8000), requested) - waveforms
    snr_db = 10 * torch.log10(waveforms.square().sum(1) / noise.square().sum(1))
    torch.testing.assert_close(snr_db, requested, atol=0.2, rtol=0)
    assert noise[1, 3000:].abs().max() == 0


def test_synthetic_noise_ranges_from_white_to_brown() -> None:
    noise = synthetic_noise(RATE).view(16, -1)
    power = torch.fft.rfft(noise).abs().square()
    fall = torch.log10(power[:, 1600:3200].mean(1) / power[:, 16000:32000].mean(1))  # 100 to 200 Hz, and a decade up
    torch.testing.assert_close(fall, torch.linspace(0, 2, 16), atol=0.1, rtol=0)
    torch.testing.assert_close(noise.square().mean(1), torch.ones(16))


def test_synthetic_noise_has_nothing_that_a_microphone_does_not_pass() -> None:
    power = torch.fft.rfft(synthetic_noise(RATE).view(16, -1)).abs().square()
    assert (power[:, : 16 * 49].sum(1) / power.sum(1)).max() < 1e-8, "its SNR would be that of sound nobody hears"


def test_a_random_window_wraps_around() -> None:
    torch.manual_seed(0)
    cut = random_window(torch.arange(10), 34)
    assert ((cut[1:] - cut[:-1]) % 10 == 1).all()
    assert len(cut) == 34


def test_a_click_decays_at_the_rate_of_the_synthetic_rir() -> None:
    torch.manual_seed(0)
    click = torch.zeros(50, RATE)
    click[:, 100] = 1
    decay = torch.full((50,), 0.5)
    wet = reverberate(click, synthetic_rirs(decay, RATE), torch.full((50,), 6.0))
    assert (wet[:, :100].abs().max(), wet[0, 100]) == (pytest.approx(0, abs=1e-4), pytest.approx(1, abs=1e-4))
    energy = wet[:, 101:].square().mean(0)
    assert float(10 * torch.log10(1 / energy.sum())) == pytest.approx(6, abs=0.3), "direct-to-reverberant ratio"
    early, late = energy[:800].mean(), energy[4000:4800].mean()  # a quarter of a second apart: 30 dB
    assert float(10 * torch.log10(early / late)) == pytest.approx(30, abs=1)


def test_a_band_limit_passes_tones_inside_and_removes_tones_outside() -> None:
    time = torch.arange(RATE) / RATE
    sounds = torch.stack([torch.sin(2 * torch.pi * f * time) for f in (100, 1000, 5000)])
    filtered = limit_band(sounds, torch.full((3,), 300.0), torch.full((3,), 3400.0), RATE)
    power = (filtered.square().mean(1) / sounds.square().mean(1)).tolist()
    assert power[1] == pytest.approx(1, abs=0.02)
    assert max(power[0], power[2]) < 0.01


def test_silence_stays_silent_and_finite() -> None:
    for seconds in (0.05, 1.0):
        silence = torch.zeros(8, int(seconds * RATE))
        assert augmentation().waveforms(silence, torch.full((8,), silence.shape[1]), torch.ones(8)).abs().max() == 0


def test_evaluation_mode_changes_nothing() -> None:
    features, waveforms = torch.ones(4, 50, 64), tones(4)
    augment = augmentation().eval()
    assert augment.features(features, torch.full((4,), 50), torch.ones(4)) is features
    assert augment.waveforms(waveforms, torch.full((4,), RATE), torch.ones(4)) is waveforms


def test_time_masks_scale_with_the_length_of_each_utterance() -> None:
    lengths = torch.tensor([20] * 150 + [200] * 150)
    masked = augmentation().features(torch.ones(300, 200, 16), lengths, torch.ones(300))
    shares = (masked == 0).all(dim=2).float()
    assert shares[:150, :20].mean() == pytest.approx(float(shares[150:].mean()), abs=0.06)


def test_each_utterance_has_its_own_strength() -> None:
    strengths = torch.tensor([0.0, 1.0] * 20)
    masked = augmentation().features(torch.ones(40, 100, 32), torch.full((40,), 100), strengths)
    assert (masked[::2] == 1).all()
    assert ((masked[1::2] == 0).flatten(1).any(1)).all()


def test_recorded_noise_and_rirs_are_applied(tmp_path: Path) -> None:
    noise, rooms = tmp_path / "noise", tmp_path / "rooms"
    for folder in (noise, rooms):
        folder.mkdir()
    (noise / "linked").symlink_to(tmp_path / "hums")
    (tmp_path / "hums").mkdir()
    soundfile.write(
        noise / "linked" / "hum.wav", np.sin(2 * np.pi * 3000 * np.arange(8000) / 8000 / 2), 8000
    )  # 1.5 kHz
    echo = np.zeros(4000)
    echo[[50, 2050]] = (1.0, 0.9)  # the direct sound is at sample 50, 2,000 samples before the echo
    soundfile.write(rooms / "echo.wav", echo, RATE)
    (rooms / "broken.wav").write_bytes(b"no audio")
    augment = augmentation(noise=str(noise), rirs=str(rooms))
    click = torch.zeros(200, RATE)
    click[:, 1000] = 0.1
    augmented = augment.waveforms(click, torch.full((200,), RATE), torch.ones(200))
    reflected = augmented[:, 2995:3005].abs().max(1).values / augmented[:, 1000].abs() > 0.2
    assert 0.2 < float(reflected.float().mean()) < 0.8
    spectrum = torch.fft.rfft(augmented).abs()
    hum = spectrum[:, 1500] > 5 * spectrum[:, 1400:1450].mean(1)
    assert 0.3 < float(hum.float().mean()) < 0.7


def test_a_folder_without_recordings_is_rejected(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match=str(folder)):
            augmentation(noise=str(folder))


def test_a_strength_outside_0_to_1_is_rejected() -> None:
    with pytest.raises(InputError, match="strength"):
        Augmentation(1.5)
