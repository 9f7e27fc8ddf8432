import functools
import math
from pathlib import Path

import pytest
import torch
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR

from stt.cli.train import main
from stt.reports.run import find_run
from stt.training.schedule import WarmupCosine, needs_total_steps, warmup_cosine


def test_the_learning_rate_warms_up_then_decays() -> None:
    shares = [warmup_cosine(step, 10, 100) for step in range(101)]
    assert shares[0] == pytest.approx(0.1)
    assert shares[9] == max(shares) == 1.0
    assert shares[10:] == sorted(shares[10:], reverse=True)
    assert shares[100] == pytest.approx(0.01)
    assert math.isclose(warmup_cosine(500, 10, 100), 0.01)


def test_a_schedule_needs_the_total_steps_unless_they_are_set() -> None:
    def custom(optimizer: torch.optim.Optimizer) -> LRScheduler:
        return ConstantLR(optimizer)

    assert needs_total_steps(WarmupCosine)
    assert needs_total_steps(OneCycleLR)
    assert needs_total_steps(functools.partial(WarmupCosine, warmup_steps=3))
    assert not needs_total_steps(functools.partial(WarmupCosine, total_steps=3))
    assert not needs_total_steps(ConstantLR)
    assert not needs_total_steps(custom)


def test_a_checkpoint_does_not_restore_the_length_of_a_schedule() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    short, long = WarmupCosine(optimizer, 1, 10), WarmupCosine(optimizer, 1, 1000)
    for _ in range(9):
        short.step()
    long.load_state_dict(short.state_dict())
    optimizer.step()
    long.step()
    assert long.get_last_lr()[0] == pytest.approx(warmup_cosine(10, 1, 1000))


def learning_rates(run: Path) -> list[float]:
    return [value for _, value in find_run(run).metrics()["lr/pg1"]]


def test_another_schedule_can_be_configured(fit_args: list[str], tmp_path: Path, fails) -> None:  # type: ignore[no-untyped-def]
    torch_schedulers = "--model.lr_scheduler=torch.optim.lr_scheduler"
    main([*fit_args, f"{torch_schedulers}.OneCycleLR", "--model.lr_scheduler.max_lr=0.01", "--trainer.max_steps=6"])
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = OneCycleLR(optimizer, 0.01, total_steps=6, cycle_momentum=False)
    expected = []
    for _ in range(6):
        expected.append(schedule.get_last_lr()[0])
        optimizer.step()
        if len(expected) < 6:
            schedule.step()
    assert learning_rates(tmp_path / "run") == pytest.approx(expected)
    constant = [f"{torch_schedulers}.ConstantLR", "--model.lr_scheduler.factor=1", f"--run={tmp_path / 'constant'}"]
    main([*fit_args, *constant])
    assert learning_rates(tmp_path / "constant") == pytest.approx([3e-3] * 6)
    plateau = [f"{torch_schedulers}.ReduceLROnPlateau", f"--run={tmp_path / 'no'}"]
    assert "stepped with the optimizer" in fails(main, [*fit_args, *plateau])
