import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import soundfile

import stt
from stt.cli.main import main
from stt.decoding.beam import BeamSearch
from stt.decoding.train_lm import train_language_model
from stt.errors import InputError
from stt.inference import check, export
from stt.inference.export import Limits
from stt.runs.folder import RunFolder
from stt.text.normalize import get_normalizer
from tests.conftest import RATE, spoken_in_tones

FILES = {"README.md", "export.json", "model.onnx", "tokenizer.model"}


def run(args: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(args)
    printed = capsys.readouterr()
    assert stopped.value.code == 0, printed.err
    return printed.out


@pytest.fixture
def checkpoint(trained: Path) -> Path:
    return RunFolder(trained).best


def test_the_folder_has_all_that_is_needed_and_the_figures_of_the_check(exported: Path, tones: Path) -> None:
    assert {path.name for path in exported.iterdir()} == FILES
    content = json.loads((exported / "export.json").read_text())
    assert content["check"]["utterances"] == 120
    assert content["check"]["max_difference"] < 0.01
    assert content["check"]["cer_export"] == pytest.approx(content["check"]["cer_checkpoint"], abs=0.003)
    assert set(content["check"]["speed"]) == {"checkpoint", "export"}
    card = (exported / "README.md").read_text()
    assert card.startswith("---\nlicense: other\n")
    assert "high, low" in card
    assert "CER on 120 of 120 utterances" in card
    assert "None were found beside the checkpoint" in card


def test_the_card_has_the_test_results_of_the_run(steered: Path, tmp_path: Path) -> None:
    """`steered` was tested after its training."""
    limits = Limits(max_difference=1.0)
    export.export(RunFolder(steered).last, tmp_path / "out", limits=limits, license_name="cc-by-4.0")
    card = (tmp_path / "out" / "README.md").read_text()
    results = json.loads(RunFolder(steered).results.read_text())
    assert "license: cc-by-4.0" in card
    assert f"| high | yes | 60 | {results['domains']['high']['hours']:.2f} | " in card
    assert "**No error rate of the export was measured**" in card


def test_int8_leaves_the_features_in_float32(
    checkpoint: Path, tones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--format", "onnx-int8", "--check", str(tones), "--allow-slower", "--max-cer-loss", "2"]
    printed = run(["export", str(checkpoint), str(tmp_path / "out"), *arguments], capsys)
    assert "onnx" in printed.splitlines()[-1]
    graph = onnx.load(str(tmp_path / "out" / "model.onnx")).graph
    kinds = [node.op_type for node in graph.node]
    assert kinds.count("MatMulInteger") + kinds.count("DynamicQuantizeMatMul") > 10
    assert [node.op_type for node in graph.node if node.name.startswith("/features/MatMul")] == ["MatMul"]
    assert stt.load(tmp_path / "out").transcribe(spoken_in_tones("ab cad"), RATE).text == "ab cad"


def test_int8_is_refused_where_it_is_slower(
    checkpoint: Path, tmp_path: Path, fails: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "speeds", lambda *_: {"checkpoint": 50.0, "onnx": 100.0, "export": 99.0})
    said = fails(main, ["export", str(checkpoint), str(tmp_path / "out"), "--format", "onnx-int8"])
    assert "int8 is not faster on this machine: 99 audio seconds per core-second, float32 100" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--max-difference", "0"], "the log_probs of the export differ from those of the checkpoint by up to"),
        (["--format", "tflite"], "unknown format 'tflite' of an export: choose one of onnx, onnx-int8, sherpa-onnx"),
        (["--check", "missing.parquet"], "missing.parquet"),
        (["--lm", "missing.binary"], "missing.binary: no such language model"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence_and_leaves_nothing(
    checkpoint: Path, tmp_path: Path, fails: Any, arguments: list[str], message: str
) -> None:
    assert message in fails(main, ["export", str(checkpoint), str(tmp_path / "out"), *arguments])
    assert not list(tmp_path.iterdir())


def test_a_folder_that_exists_is_not_replaced(checkpoint: Path, tmp_path: Path, fails: Any) -> None:
    assert "exists already" in fails(main, ["export", str(checkpoint), str(tmp_path)])


def test_a_lost_error_rate_is_over_the_limit() -> None:
    figures = {"max_difference": 0.5, "cer_checkpoint": 0.01, "cer_export": 0.02}
    with pytest.raises(InputError, match=r"a CER of 2.00%, the checkpoint 1.00%: more than the limit of 0.3 points"):
        export._check_loss(figures, "onnx-int8", Limits())
    export._check_loss(figures, "onnx-int8", Limits(max_cer_loss=0.011))


def test_outputs_that_are_not_compared_would_be_noticed(checkpoint: Path, tones: Path) -> None:
    recognizer = stt.Recognizer.load(checkpoint)
    samples = check.samples_of(recognizer, None)

    def other(waveforms: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        log_probs, frames = recognizer.compute(waveforms, lengths)
        longest = int(frames.argmax())
        log_probs[longest, frames[longest] - 1, 2] += 0.25
        return log_probs, frames

    assert check.compare(recognizer.compute, other, recognizer, samples)["max_difference"] == pytest.approx(
        0.25, rel=1e-3
    )
    with pytest.raises(InputError, match="frames where the checkpoint has"):
        check.compare(recognizer.compute, lambda *x: (other(*x)[0], other(*x)[1] + 1), recognizer, samples)


def test_a_language_model_goes_along(
    checkpoint: Path, tones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lm = tmp_path / "lm.binary"
    train_language_model(["ab cad", "cad bed"] * 20, lm, get_normalizer("plain-1"), order=2)
    arguments = ["--lm", str(lm), "--alpha", "0.25", "--hot-word", "cad"]
    run(["export", str(checkpoint), str(tmp_path / "out"), *arguments], capsys)
    assert {path.name for path in (tmp_path / "out").iterdir()} - FILES == {
        "language_model.binary",
        "language_model.binary.json",
    }
    lm.unlink()  # the copy is used
    recognizer = stt.load((tmp_path / "out").rename(tmp_path / "moved"))
    decoder = stt.Transcriber(recognizer).decoder
    assert isinstance(decoder, BeamSearch)
    assert (decoder.options.alpha, decoder.options.hot_words) == (0.25, ["cad"])
    assert recognizer.transcribe(spoken_in_tones("ab cad"), RATE).text == "ab cad"
    soundfile.write(tmp_path / "a.wav", spoken_in_tones("cad bed"), RATE)
    arguments = ["transcribe", str(tmp_path / "moved"), str(tmp_path / "a.wav"), "--beta", "2"]
    assert run(arguments, capsys) == "cad bed\n"
