import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from stt.cli.train import main

GOOD = 1e-3  # a CER that a few steps do not reach


@pytest.mark.parametrize("path", ["moved/run", "run/../run"])
def test_the_best_checkpoint_is_kept_under_another_path(path: str, fit_args: list[str], tmp_path: Path) -> None:
    main(fit_args)
    run, again = tmp_path / "run", tmp_path / path
    last = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    state = best_of(last)
    state["best_model_score"] = state["kth_value"] = torch.tensor(GOOD)
    state["best_k_models"] = {path: torch.tensor(GOOD) for path in state["best_k_models"]}
    torch.save(last, run / "checkpoints" / "last.ckpt")
    if not again.exists():
        again.parent.mkdir()
        shutil.move(run, again)
    before = (again / "checkpoints" / "best.ckpt").read_bytes()
    main([*fit_args, f"--run={again}", "--ckpt_path=last", "--trainer.max_steps=9"])
    assert (again / "checkpoints" / "best.ckpt").read_bytes() == before
    resumed = torch.load(again / "checkpoints" / "last.ckpt", weights_only=True)
    assert resumed["global_step"] == 9
    assert float(best_of(resumed)["best_model_score"]) == pytest.approx(GOOD)


def best_of(checkpoint: dict[str, Any]) -> dict[str, Any]:
    return next(state for name, state in checkpoint["callbacks"].items() if "BestCheckpoint" in name)
