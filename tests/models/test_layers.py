import pytest
import torch
from torch import nn

from stt.errors import InputError
from stt.models.layers import MaskedBatchNorm1d, MaskedConv1d, SqueezeExcitation


def test_without_padding_the_norm_is_torchs_own() -> None:
    ours, torchs = MaskedBatchNorm1d(6), nn.BatchNorm1d(6)
    for _ in range(3):
        x = 3 * torch.randn(5, 6, 40) + 1
        torch.testing.assert_close(ours(x, torch.ones(5, 1, 40)), torchs(x), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours.running_mean, torchs.running_mean)
    torch.testing.assert_close(ours.running_var, torchs.running_var, rtol=0.01, atol=0.01)  # biased against unbiased
    x = torch.randn(2, 6, 9)
    ours.eval(), torchs.eval()
    torch.testing.assert_close(ours(x, torch.ones(2, 1, 9)), torchs(x), atol=0.02, rtol=0.02)


def test_the_norm_is_taken_over_real_frames_only() -> None:
    x = torch.randn(2, 3, 10)
    mask = (torch.arange(10) < torch.tensor([[10], [4]])).float().unsqueeze(1)
    y = MaskedBatchNorm1d(3)(x * mask, mask)
    real = torch.cat([y[0], y[1, :, :4]], dim=1)
    torch.testing.assert_close(real.mean(1), torch.zeros(3), atol=1e-5, rtol=0)
    assert (y[1, :, 4:] == 0).all()


def test_one_bad_utterance_does_not_spoil_the_running_statistics() -> None:
    norm = MaskedBatchNorm1d(3)
    norm(torch.full((1, 3, 5), torch.nan), torch.ones(1, 1, 5))
    assert norm.running_mean.isfinite().all()
    assert norm.running_var.isfinite().all()


def test_excitation_averages_real_frames_only() -> None:
    layer, x = SqueezeExcitation(8), torch.randn(1, 8, 12)
    padded = nn.functional.pad(x, (0, 30))
    mask = nn.functional.pad(torch.ones(1, 1, 12), (0, 30))
    torch.testing.assert_close(layer(padded, mask)[:, :, :12], layer(x, torch.ones(1, 1, 12)))


def test_an_even_kernel_is_refused() -> None:
    with pytest.raises(InputError, match="odd"):
        MaskedConv1d(1, 1, 4)
