import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.plugins.precision import MixedPrecision
from torch import nn
from torch.amp.grad_scaler import GradScaler

from stt.training.callbacks import GradientClipping, PercentileClipping


class Line(LightningModule):
    """A linear model whose gradient equals the batch."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.fused = fused
        self.weight = nn.Parameter(torch.zeros(3))

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        return (self.weight * batch[0]).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1.0, momentum=0.9, fused=self.fused)


def train(
    gradients: list[list[float]], clipping: GradientClipping, fused: bool = True, scaler: GradScaler | None = None
) -> tuple[Line, dict[str, float]]:
    model = Line(fused)
    trainer = Trainer(
        max_epochs=1,
        callbacks=[clipping],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
        plugins=[MixedPrecision("16-mixed", "cpu", scaler)] if scaler else None,
    )
    trainer.fit(model, torch.utils.data.DataLoader(torch.tensor(gradients)))
    return model, {name: float(value) for name, value in trainer.callback_metrics.items()}


def test_only_large_gradients_are_scaled_to_the_limit() -> None:
    clipping = GradientClipping(1.0)
    model, logged = train([[3.0, 4.0, 0.0]], clipping)
    torch.testing.assert_close(model.weight.data, -torch.tensor([0.6, 0.8, 0.0]), atol=1e-5, rtol=0)
    assert logged["clip/norm"] == pytest.approx(5.0)
    assert (clipping.steps, clipping.clipped) == (1, 1)
    clipping = GradientClipping(1.0)
    model, logged = train([[0.3, 0.0, 0.0]], clipping)
    torch.testing.assert_close(model.weight.data, -torch.tensor([0.3, 0.0, 0.0]))
    assert (clipping.steps, clipping.clipped) == (1, 0)
    assert 0 < logged["clip/time_share"] < 1


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_step_with_a_non_finite_gradient_is_skipped_and_counted(bad: float, fused: bool) -> None:
    clipping = GradientClipping(10.0)
    model, logged = train([[1.0, 0.0, 0.0], [bad, 0.0, 0.0], [1.0, 0.0, 0.0]], clipping, fused)
    # Momentum 0.9: the second real step moves by 1.9; a step with a zero gradient would have moved too.
    torch.testing.assert_close(model.weight.data, -torch.tensor([1.0 + 1.9, 0.0, 0.0]))
    assert logged["clip/skipped_steps"] == 1.0


def test_the_limit_is_a_percentile_of_the_norms() -> None:
    clipping = PercentileClipping(percentile=50, window=10)
    norms = [1.0, 2.0, 3.0, 4.0, 5.0]
    _, logged = train([[norm, 0.0, 0.0] for norm in norms], clipping)
    assert logged["clip/limit"] == pytest.approx(3.0)
    restored = PercentileClipping(percentile=50, window=10)
    restored.load_state_dict(clipping.state_dict())
    assert float(restored.limit(torch.tensor(6.0))) == pytest.approx(3.5)


@pytest.mark.parametrize("fused", [True, False])
def test_gradients_of_float16_are_unscaled_before_they_are_clipped(fused: bool) -> None:
    clipping = GradientClipping(1.0)
    model, logged = train([[3.0, 4.0, 0.0], [0.3, 0.0, 0.0]], clipping, fused, GradScaler("cpu", init_scale=4096.0))
    assert logged["clip/norm"] == pytest.approx(0.3, rel=1e-2)
    assert (clipping.steps, clipping.clipped) == (2, 1)
    # The second step moves by momentum too: 0.9 times the clipped first one.
    expected = -torch.tensor([0.6 + 0.9 * 0.6 + 0.3, 0.8 + 0.9 * 0.8, 0.0])
    torch.testing.assert_close(model.weight.data, expected, atol=1e-2, rtol=0)


@pytest.mark.parametrize("fused", [True, False])
def test_an_overflow_of_float16_skips_the_step_and_lowers_the_scale(fused: bool) -> None:
    clipping, scaler = GradientClipping(10.0), GradScaler("cpu", init_scale=4096.0)
    model, _ = train([[1.0, 0.0, 0.0], [float("inf"), 0.0, 0.0], [1.0, 0.0, 0.0]], clipping, fused, scaler)
    torch.testing.assert_close(model.weight.data, -torch.tensor([1.0 + 1.9, 0.0, 0.0]), atol=1e-2, rtol=0)
    assert (clipping.steps, clipping.skipped) == (3, 1)
    assert scaler.get_scale() == 2048.0
