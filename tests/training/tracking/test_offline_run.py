"""Reads back the offline W&B files of a run."""

import json
from pathlib import Path
from typing import Any

import pytest
import soundfile

from stt.cli.train import main
from stt.files import file_hash
from tests.conftest import ROOT
from tests.training.tracking.offline_run import OfflineRun, offline_runs


def table(run: OfflineRun, name: str) -> tuple[dict[str, Any], dict[str, Path]]:
    """The last table with a name, by column, and the files it refers to."""
    assert any(f"{name}.path" in line for line in run.history)
    artifact = [one for one in run.artifacts if name.replace("/", "") in one.name][-1]
    files = {entry.path: Path(entry.local_path) for entry in artifact.manifest.contents}
    content = json.loads(files[f"{name}.table.json"].read_text())
    return dict(zip(content["columns"], zip(*content["data"], strict=True), strict=True)), files


def test_a_run_records_its_configuration_and_origin(steered: Path, tones: Path) -> None:
    (run,) = offline_runs(steered)
    assert run.config["data"]["batches_per_epoch"] == 32
    origin = run.config["origin"]
    assert set(origin["data"]) == {"train", "validate", "test"}
    assert origin["data"]["train"]["files"] == {str(tones): file_hash(tones)}
    hours = origin["data"]["train"]["hours_by_domain"]
    assert set(hours) == {"high", "low"}
    assert sum(hours.values()) == pytest.approx(origin["data"]["train"]["hours"])
    if (ROOT / ".git").exists():
        assert len(origin["git"]["commit"]) == 40


def test_validations_are_logged_with_their_axes(steered: Path) -> None:
    (run,) = offline_runs(steered)
    validations = [line for line in run.history if "val/cer/mean" in line]
    assert len(validations) == 3
    for name in ("progress/audio_hours", "progress/passes", "progress/device_hours", "trainer/global_step"):
        values = [line[name] for line in validations]
        assert values == sorted(set(values)), name
        assert values[0] > 0
    assert run.axes["val/cer/*"] == "progress/device_hours"


def test_the_table_of_the_worst_utterances_has_audio(steered: Path) -> None:
    (run,) = offline_runs(steered)
    for name in ("val/utterances", "test/utterances"):
        columns, files = table(run, name)
        assert list(columns) == ["domain", "utterance", "CER", "alignment", "reference", "hypothesis", "audio"]
        assert columns["domain"] == ("high",) * 5 + ("low",) * 5
        for cers in (columns["CER"][:5], columns["CER"][5:]):
            assert list(cers) == sorted(cers, reverse=True)
        for cell, hypothesis in zip(columns["audio"], columns["hypothesis"], strict=True):
            assert cell["caption"] == hypothesis
            sound = files[cell["path"]]
            assert sound.is_relative_to(steered)  # all files of a run are in its folder
            assert soundfile.info(sound).duration > 0.5
        assert all(cell["_type"] == "html-file" for cell in columns["alignment"])


def test_the_best_model_and_the_code_are_artifacts(steered: Path) -> None:
    (run,) = offline_runs(steered)
    by_type = {one.type: one for one in run.artifacts}
    (checkpoint,) = by_type["model"].manifest.contents
    assert checkpoint.path == "best.ckpt"
    assert checkpoint.size == (steered / "checkpoints" / "best.ckpt").stat().st_size
    metadata = json.loads(by_type["model"].metadata)
    assert metadata["train_domains"] == ["high", "low"]
    assert metadata["data"]["train"]["utterances"] == 120
    assert 0 <= metadata["val/cer/mean"] < 1
    names = {entry.path for entry in by_type["code"].manifest.contents}
    assert {"train.py", "constraints.txt", "stt/training/task.py", "configs/model/small.yaml"} <= names


def test_a_resumed_run_keeps_its_id_and_its_parent(
    fit_args: list[str], steered: Path, tmp_path: Path, offline_wandb: None
) -> None:
    main([*fit_args, f"--model.init_from={steered}/checkpoints/best.ckpt"])
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    main([*fit_args, "--trainer.max_steps=9", f"--ckpt_path={last}"])
    first, second = offline_runs(tmp_path / "run")
    assert first.id == second.id != offline_runs(steered)[0].id
    parent = first.config["origin"]["init_from"]
    assert parent["sha256"] == file_hash(steered / "checkpoints" / "best.ckpt")
    assert parent["wandb_run"] == offline_runs(steered)[0].id
    assert parent["domains"] == ["high", "low"]
    assert [line["trainer/global_step"] for line in second.history if "val/cer/mean" in line] in ([8], [9])
