import pytest
import torch
from torch import nn

from stt.errors import InputError
from stt.models.layers import MaskedBatchNorm1d, MaskedConv1d, SqueezeExcitation


def test_without_padding_the_norm_matches_torch() -> None:
    masked, reference = MaskedBatchNorm1d(6), nn.BatchNorm1d(6)
    for _ in range(3):
        x = 3 * torch.randn(5, 6, 40) + 1
        torch.testing.assert_close(masked(x, torch.ones(5, 1, 40)), reference(x), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(masked.running_mean, reference.running_mean)
    torch.testing.assert_close(
        masked.running_var, reference.running_var, rtol=0.01, atol=0.01
    )  # biased versus unbiased
    x = torch.randn(2, 6, 9)
    masked.eval(), reference.eval()
    torch.testing.assert_close(masked(x, torch.ones(2, 1, 9)), reference(x), atol=0.02, rtol=0.02)


def test_the_norm_uses_valid_frames_only() -> None:
    x = torch.randn(2, 3, 10)
    mask = (torch.arange(10) < torch.tensor([[10], [4]])).float().unsqueeze(1)
    y = MaskedBatchNorm1d(3)(x * mask, mask)
    valid = torch.cat([y[0], y[1, :, :4]], dim=1)
    torch.testing.assert_close(valid.mean(1), torch.zeros(3), atol=1e-5, rtol=0)
    assert (y[1, :, 4:] == 0).all()


def test_non_finite_values_do_not_corrupt_the_running_statistics() -> None:
    norm = MaskedBatchNorm1d(3)
    norm(torch.full((1, 3, 5), torch.nan), torch.ones(1, 1, 5))
    assert norm.running_mean.isfinite().all()
    assert norm.running_var.isfinite().all()


def test_squeeze_excitation_averages_valid_frames_only() -> None:
    layer, x = SqueezeExcitation(8), torch.randn(1, 8, 12)
    padded = nn.functional.pad(x, (0, 30))
    mask = nn.functional.pad(torch.ones(1, 1, 12), (0, 30))
    torch.testing.assert_close(layer(padded, mask)[:, :, :12], layer(x, torch.ones(1, 1, 12)))


def test_an_even_kernel_is_rejected() -> None:
    with pytest.raises(InputError, match="odd"):
        MaskedConv1d(1, 1, 4)
