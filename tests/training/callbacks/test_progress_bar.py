import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from stt.cli.train import main


def test_the_bar_shows_error_rates_by_domain_and_the_eta(fit_args: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=200)
    monkeypatch.setattr("lightning.pytorch.callbacks.progress.rich_progress.get_console", lambda: console)
    main([*fit_args, "--trainer.enable_progress_bar=true", "--trainer.max_steps=9"])
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert re.search(r"CER %: mean [\d.]+, high [\d.]+, low [\d.]+", shown)
    assert re.search(r"ETA: 0:00:\d\d", shown)
    assert "epoch 3" in shown


def test_training_ends_with_a_table_of_its_outputs(
    fit_args: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    offline_wandb: None,
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    main(fit_args)
    output = capsys.readouterr().out
    run = tmp_path / "run"
    for name in ("checkpoints/best.ckpt", "checkpoints/last.ckpt", "config.yaml", "recognized/validate.jsonl"):
        assert str(run / name) in output
        assert (run / name).is_file()
    assert f"wandb sync {run}/wandb/offline-run-*" in output
    assert f"stt report {run}" in output
