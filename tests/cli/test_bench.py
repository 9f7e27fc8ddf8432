import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from stt.cli.main import main
from stt.decoding.train_lm import train_language_model
from stt.inference.export import export
from stt.text.normalize import get_normalizer
from tests.conftest import MICRO

SHORT = ("--seconds", "0.5", "--repeats", "2")
STAGES = ["features", "acoustic model", "decoding", "whole"]


@pytest.fixture
def infer(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Run the command, which must succeed; gives the JSON that it prints."""

    def run(*arguments: object) -> dict[str, Any]:
        with pytest.raises(SystemExit) as stopped:
            main(["bench", "infer", *map(str, arguments), *SHORT])
        printed = capsys.readouterr()
        assert stopped.value.code == 0, printed.err
        return dict(json.loads(printed.out))

    return run


@pytest.fixture
def checkpoint(trained: Path) -> Path:
    return trained / "checkpoints" / "best.ckpt"


def test_a_checkpoint_is_measured_stage_by_stage_on_generated_signals(
    infer: Callable[..., dict[str, Any]], checkpoint: Path
) -> None:
    before = torch.get_num_threads()
    report = infer(checkpoint, "--seconds", 1)
    assert report["audio"] == "generated signals, no speech"
    assert report["trained"]
    assert report["kind"] == "PyTorch"
    assert "data_set" not in report
    assert set(report["threads"].values()) == {1}
    assert torch.get_num_threads() == before
    assert [(one["clip_seconds"], one["batch"]) for one in report["cases"]] == [(1, 1), (1, 8), (0.5, 1), (0.5, 8)]
    for case in report["cases"]:
        for clock in ("core", "wall"):
            speeds = case[f"audio_seconds_per_{clock}_second"]
            assert list(speeds) == STAGES
            assert 0 < speeds["whole"] <= min(speeds[name] for name in STAGES)
        assert 1 < case["peak_memory_mb"] < 1e5


def test_a_configuration_is_measured_untrained(infer: Callable[..., dict[str, Any]], tokenizer_file: Path) -> None:
    report = infer("--config", MICRO, "--tokenizer", tokenizer_file, "--batch", 2)
    assert not report["trained"]
    assert report["sample_rate"] == yaml.safe_load(MICRO.read_text())["model"]["features"]["init_args"]["sample_rate"]
    assert len(report["cases"]) == 1


def test_real_speech_is_also_measured_as_a_data_set(
    infer: Callable[..., dict[str, Any]], checkpoint: Path, tones: Path
) -> None:
    before = torch.get_num_threads()
    report = infer(checkpoint, "--audio", tones, "--minutes", 0.2)
    assert torch.get_num_threads() == before
    assert report["audio"] == f"real speech, joined and cut: {tones}"
    data = report["data_set"]
    assert data["timed"] == ["acoustic model", "decoding"]
    assert 12 <= data["audio_seconds"] < 15
    assert data["one_over_rtf"] > data["one_over_rtf_with_features"] > 0


def test_an_export_is_measured_too(
    infer: Callable[..., dict[str, Any]], checkpoint: Path, tones: Path, tmp_path: Path
) -> None:
    export(checkpoint, tmp_path / "exported")
    report = infer(tmp_path / "exported", "--audio", tones, "--minutes", 0.2)
    assert report["kind"] == "onnx"
    assert report["threads"]["ONNX Runtime"] == 1
    for case in report["cases"]:
        assert list(case["audio_seconds_per_core_second"]) == ["features and acoustic model", "decoding", "whole"]
    data = report["data_set"]
    assert data["timed"] == ["features and acoustic model", "decoding"]
    assert data["one_over_rtf"] == data["one_over_rtf_with_features"] > 0


@pytest.mark.slow  # starts processes that decode
def test_the_language_model_takes_part(
    infer: Callable[..., dict[str, Any]], checkpoint: Path, tones: Path, tmp_path: Path
) -> None:
    texts = [json.loads(line)["text"] for line in tones.read_text().splitlines()]
    lm = tmp_path / "lm.binary"
    train_language_model(texts, lm, get_normalizer("plain-1"), 2)
    report = infer(checkpoint, "--audio", tones, "--minutes", 0.1, "--lm", lm, "--beam-width", 7)
    assert report["decoder"]["beam"]["lm"] == str(lm)
    assert report["decoder"]["beam"]["beam_width"] == 7
    assert report["data_set"]["decoding_processes"] >= 1
    assert report["data_set"]["one_over_rtf"] > 0


def test_what_to_measure_must_be_given_once_and_with_a_tokenizer(
    fails: Callable[..., str], checkpoint: Path, tmp_path: Path, tokenizer_file: Path
) -> None:
    assert "either a checkpoint or --config" in fails(main, ["bench", "infer"])
    assert "either a checkpoint or --config" in fails(main, ["bench", "infer", str(checkpoint), "--config", str(MICRO)])
    assert "--tokenizer" in fails(main, ["bench", "infer", "--config", str(MICRO)])
    missing = str(tmp_path / "missing.yaml")
    assert missing in fails(main, ["bench", "infer", "--config", missing, "--tokenizer", str(tokenizer_file)])
    assert "not found" in fails(main, ["bench", "infer", missing])
