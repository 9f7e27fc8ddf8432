from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from stt.cli.train import main
from stt.training.precision import default_precision


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ([], "32-true"),
        ([(6, 1)], "32-true"),  # GTX 1080 Ti
        ([(7, 0)], "16-mixed"),  # V100
        ([(7, 5)], "16-mixed"),  # T4, RTX 2080 Ti
        ([(8, 6)], "bf16-mixed"),
        ([(12, 0)], "bf16-mixed"),
        ([(8, 6), (7, 5)], "16-mixed"),  # the slower one decides
    ],
)
def test_the_compute_capability_decides_the_precision(
    capabilities: list[tuple[int, int]], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(capabilities))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)  # as cards before Ampere say
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(capabilities))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda i=0: capabilities[i])
    assert default_precision() == precision


def test_training_on_the_cpu_of_a_machine_with_a_gpu_takes_float32(
    fit_args: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precisions = []
    monkeypatch.setattr("stt.cli.train.default_precision", lambda: "bf16-mixed")
    monkeypatch.setattr(
        "stt.cli.train.SpeechCLI.fit", lambda self, model, **_: precisions.append(self.trainer.precision)
    )
    monkeypatch.setattr("stt.cli.train.SpeechCLI.after_fit", lambda self: None)
    main([*fit_args, "--trainer.accelerator=cpu"])
    main([*fit_args, "--trainer.accelerator=auto"])
    assert precisions == ["32-true", "bf16-mixed"]


@pytest.mark.parametrize("precision", ["bf16-true", "64-true"])
def test_precisions_that_would_convert_lengths_are_refused(
    precision: str, fit_args: list[str], fails: Callable[..., str]
) -> None:
    assert f"--trainer.precision {precision}: it must be" in fails(
        main, [*fit_args, f"--trainer.precision={precision}"]
    )
