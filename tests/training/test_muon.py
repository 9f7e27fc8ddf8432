import copy

import pytest
import torch
from torch import Tensor, nn

from stt.training.muon import Muon, is_matrix, orthogonalize


def filled(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        for index, parameter in enumerate(model.parameters()):
            parameter.grad = filled(tuple(parameter.shape), 100 * step + index)
        optimizer.step()


def assert_same(model: nn.Module, other: nn.Module, tolerance: float = 0.0) -> None:
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two, atol=tolerance, rtol=1e-5 if tolerance else 0.0)


@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 24, 96), (2, 96, 24)])
def test_orthogonalization_keeps_directions_and_evens_out_their_sizes(shape: tuple[int, int, int]) -> None:
    matrices = filled(shape) @ torch.diag(torch.logspace(0, -1.5, shape[2]))
    found = orthogonalize(matrices)
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    exact = u @ v
    for one, other, singular in zip(found, exact, torch.linalg.svdvals(found), strict=True):
        assert torch.nn.functional.cosine_similarity(one.flatten(), other.flatten(), dim=0) > 0.97
        assert singular.max() < 1.3
        assert singular.median() > 0.6


def test_matrices_are_updated_as_by_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = nn.Linear(48, 32, bias=False), nn.Linear(48, 32, bias=False)
    theirs.load_state_dict(ours.state_dict())
    options = {"lr": 0.01, "weight_decay": 0.1, "momentum": 0.9}
    train(ours, Muon(ours.parameters(), **options), range(4))  # type: ignore[arg-type]
    reference = torch.optim.Muon(theirs.parameters(), adjust_lr_fn="match_rms_adamw", **options)  # type: ignore[arg-type]
    train(theirs, reference, range(4))
    assert torch.allclose(ours.weight, theirs.weight, atol=1e-3)


def test_scales_biases_and_small_kernels_are_updated_as_by_adamw() -> None:
    def build() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv1d(32, 32, 5, groups=32), nn.LayerNorm(32))

    ours, theirs = build(), build()
    assert not any(map(is_matrix, ours.parameters()))
    train(ours, Muon(ours.parameters(), adamw_lr=0.01, weight_decay=0.1), range(4))
    train(theirs, torch.optim.AdamW(theirs.parameters(), 0.01, (0.9, 0.98), weight_decay=0.1), range(4))
    assert_same(ours, theirs, 1e-6)


def test_a_restored_state_is_on_the_device_of_the_parameters() -> None:
    """Torch and Lightning leave steps on the host, which the fused kernel of a GPU cannot read."""

    def build(device: str) -> Muon:
        module = nn.Sequential(nn.Linear(32, 32), nn.LayerNorm(32)).to(device)
        for parameter in module.parameters():
            parameter.grad = torch.ones_like(parameter)
        return Muon(module.parameters())

    saved, restored = build("cpu"), build("meta")
    saved.step()
    restored.load_state_dict(saved.state_dict())
    restored.step()
    tensors = [value for state in restored.state.values() for value in state.values()]
    assert len(tensors) == 1 + 3 * 3
    assert {str(tensor.device) for tensor in tensors} == {"meta"}


def test_a_gradient_scaler_may_step_without_having_unscaled(monkeypatch: pytest.MonkeyPatch) -> None:
    scaled, plain = nn.Linear(32, 32), nn.Linear(32, 32)
    plain.load_state_dict(scaled.state_dict())
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    optimizer, reference = Muon(scaled.parameters()), Muon(plain.parameters())
    for step in range(2):
        for parameter, other in zip(scaled.parameters(), plain.parameters(), strict=True):
            other.grad = filled(tuple(other.shape), step)
            parameter.grad = 8 * other.grad
        scaler.scale(torch.zeros(()))  # the scale exists from the first use on
        scaler.step(optimizer)
        scaler.update()
        reference.step()
    assert_same(scaled, plain, 1e-5)


def test_updates_are_as_large_as_those_of_adamw() -> None:
    model = nn.Conv1d(64, 256, 1, bias=False)
    before = model.weight.detach().clone()
    optimizer = Muon(model.parameters(), lr=0.01, weight_decay=0.0)
    train(model, optimizer, range(1))
    assert (model.weight.detach() - before).square().mean().sqrt() == pytest.approx(0.2 * 0.01, rel=0.2)


def test_options_of_groups_are_kept() -> None:
    model = nn.Linear(32, 32)
    optimizer = Muon([{"params": [model.weight]}, {"params": [model.bias], "weight_decay": 0.0}], 0.02, adamw_lr=0.001)
    found = [(group["matrices"], group["lr"], group["weight_decay"]) for group in optimizer.param_groups]
    assert found == [(True, 0.02, 0.01), (False, 0.001, 0.0)]


def test_training_continues_exactly_from_a_saved_state() -> None:
    whole = nn.Sequential(nn.Conv1d(32, 48, 3), nn.Linear(48, 32))
    parts = copy.deepcopy(whole)
    train(whole, Muon(whole.parameters()), range(6))
    first = Muon(parts.parameters())
    train(parts, first, range(3))
    second = Muon(parts.parameters())
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    train(parts, second, range(3, 6))
    assert_same(whole, parts)


def test_a_step_that_is_not_finite_is_skipped_on_the_device() -> None:
    whole = nn.Sequential(nn.Linear(32, 48), nn.LayerNorm(48))
    skipping = copy.deepcopy(whole)
    train(whole, Muon(whole.parameters()), range(4))
    optimizer = Muon(skipping.parameters())
    for steps in (range(2), range(2, 4)):
        optimizer.found_inf = torch.zeros(())
        train(skipping, optimizer, steps)
        optimizer.found_inf = torch.ones(())
        for parameter in skipping.parameters():
            parameter.grad = torch.full_like(parameter, torch.nan)
        optimizer.step()
    assert_same(whole, skipping)


def test_gradients_that_are_still_scaled_are_unscaled() -> None:
    plain = nn.Sequential(nn.Linear(32, 48), nn.LayerNorm(48))
    scaled = copy.deepcopy(plain)
    train(plain, Muon(plain.parameters()), range(1))
    optimizer = Muon(scaled.parameters())
    optimizer.grad_scale, optimizer.found_inf = torch.tensor(1024.0), torch.zeros(())
    for one, other in zip(plain.parameters(), scaled.parameters(), strict=True):
        assert one.grad is not None
        other.grad = 1024 * one.grad
    optimizer.step()
    assert_same(plain, scaled, 1e-7)


def test_parameters_without_a_gradient_are_left_alone() -> None:
    model = nn.Linear(32, 32)
    before = copy.deepcopy(model.state_dict())
    Muon(model.parameters()).step()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    "options",
    [{"lr": -1.0}, {"lr": float("nan")}, {"momentum": 1.0}, {"adamw_betas": (0.9, 1.0)}, {"weight_decay": -0.1}],
)
def test_numbers_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be at least 0"):
        Muon(nn.Linear(32, 32).parameters(), **options)  # type: ignore[arg-type]
