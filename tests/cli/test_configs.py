from pathlib import Path

import pytest
import yaml
from ablation import VARIANTS

from stt.cli.train import main
from tests.conftest import ROOT

CONFIGS = sorted(path for path in (ROOT / "configs").rglob("*.yaml") if path != VARIANTS)  # VARIANTS is a list


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_config_parses_and_trains_one_step(
    config: Path, fit_args: list[str], tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = yaml.safe_load(config.read_text())
    has_tokenizer = "tokenizer" in given.get("model", {})
    tokenizer = next(arg for arg in fit_args if arg.startswith("--model.tokenizer")).split("=")[1]
    monkeypatch.chdir(tmp_path)
    if has_tokenizer:
        path = tmp_path / given["model"]["tokenizer"]
        path.parent.mkdir(parents=True)
        path.write_bytes(Path(tokenizer).read_bytes())
    data = [arg for arg in fit_args if arg.startswith("--data")]
    if "target_by_domain" in given.get("data", {}).get("sampler", {}).get("init_args", {}):
        data.append("--data.sampler.target_by_domain={high: 0.05}")  # its own domains are not those of the tones
    # One step, with this config's model and this test's data, on one CPU.
    main(
        [
            "fit",
            f"--config={config}",
            *([] if has_tokenizer else [f"--model.tokenizer={tokenizer}"]),
            *data,
            f"--data.test={tones}",
            "--trainer.fast_dev_run=true",
            "--trainer.accelerator=cpu",
            "--trainer.devices=1",
            "--trainer.num_nodes=1",
            "--trainer.strategy=auto",  # ddp is tested in subprocesses, in test_resume.py
            "--trainer.precision=32-true",
            "--trainer.enable_progress_bar=false",
            "--model.normalizer=plain-1",
            "--data.max_batch_seconds=3",
            "--data.num_workers=0",
        ]
    )
