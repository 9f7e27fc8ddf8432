import builtins
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import soundfile

import stt
from stt.cli.main import main
from stt.errors import InputError, MissingExtraError
from stt.files import file_hash
from stt.inference.exported import ExportedRecognizer
from stt.runs.folder import RunFolder
from tests.conftest import RATE, ROOT, spoken_in_tones

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchaudio", "lightning", "pyarrow", "onnx", "matplotlib"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
"""
TRANSCRIBE = """
from stt.cli.main import main
import soundfile, stt

folder, *files = sys.argv[1:]
waveform, rate = soundfile.read(files[0], dtype="float32")
recognizer = stt.load(folder)
transcriber = stt.Transcriber(recognizer)
print(recognizer.transcribe(waveform, rate).text, recognizer.sample_rate, recognizer.frame_seconds)
print([result.text for result in transcriber.transcribe_all(files)])
print([word.text for word in transcriber.words([waveform])])
for file_format in ("text", "json", "srt", "vtt", "textgrid"):
    try:
        main(["transcribe", folder, files[0], "--format", file_format])
    except SystemExit as stopped:
        assert not stopped.code, stopped.code
"""
SERVE = """
from fastapi.testclient import TestClient
import stt
from stt.inference.serve.app import create_app
from stt.inference.serve.limits import Limits

with TestClient(create_app(stt.Transcriber(stt.load(sys.argv[1])), "tones", Limits())) as client:
    answer = client.post("/v1/audio/transcriptions", files={"file": open(sys.argv[2], "rb")}, data={"model": "any"})
    print(answer.json()["text"])
"""


def without_torch(code: str, *arguments: str, folder: Path) -> str:
    """Run Python where only the extra `onnx` and the service are installed; return what it prints."""
    command = [sys.executable, "-c", BLOCKED + code, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_export_is_transcribed_without_torch(exported: Path, tmp_path: Path) -> None:
    files = [tmp_path / "a.wav", tmp_path / "b.flac"]
    soundfile.write(files[0], spoken_in_tones("ab cad"), RATE)
    soundfile.write(files[1], np.repeat(spoken_in_tones("bed"), 2), 2 * RATE)  # another rate
    said = without_torch(TRANSCRIBE, str(exported), *map(str, files), folder=tmp_path)
    first, second, third, text, *rest = said.splitlines()
    assert first == "ab cad 8000 0.08"
    assert second == "['ab cad', 'bed']"
    assert third == "['ab', 'cad']"
    assert text == "ab cad"
    assert json.loads(rest[0])["text"] == "ab cad"
    assert "WEBVTT" in rest
    assert 'File type = "ooTextFile"' in rest


def test_an_export_is_served_without_torch(exported: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", spoken_in_tones("ab cad"), RATE)
    assert without_torch(SERVE, str(exported), str(tmp_path / "a.wav"), folder=tmp_path) == "ab cad\n"


def test_it_works_like_the_checkpoint(exported: Path, trained: Path, tones: Path) -> None:
    checkpoint, recognizer = stt.load(RunFolder(trained).best), stt.load(exported)
    assert isinstance(recognizer, ExportedRecognizer)
    for name in ("sample_rate", "frame_samples", "frame_seconds", "train_domains", "utterance_seconds", "normalizer"):
        assert getattr(recognizer, name) == getattr(checkpoint, name), name
    long = np.concatenate([spoken_in_tones("ab cad bed", seed=i) for i in range(20)])
    for waveform in (long, long[:30], long[:0], spoken_in_tones("a")):
        one, other = checkpoint.transcribe(waveform, RATE), recognizer.transcribe(waveform, RATE)
        assert one.text == other.text
        assert [word.start for word in one.words] == [word.start for word in other.words]
    assert stt.evaluate(recognizer, tones).cer == pytest.approx(stt.evaluate(checkpoint, tones).cer, abs=1e-3)


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "copied"))


def change(folder: Path, **values: Any) -> None:
    """Change entries of the description; None for `...` removes one."""
    path = folder / "export.json"
    content = {**json.loads(path.read_text()), **values}
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not ...}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 2}, "written by a newer version of this project (format version 2)"),
        ({"format_version": 0}, "written by an older version of this project (format version 0)"),
        ({"format_version": "1"}, "format_version is missing or wrong"),
        ({"check": ...}, "damaged: check is missing or wrong"),
        ({"sample_rate": -1}, "damaged: sample_rate is missing or wrong"),
        ({"utterance_seconds": "3"}, "damaged: utterance_seconds is missing or wrong"),
        ({"more": 1}, "damaged"),
        ({"normalizer": "klingon-1"}, "unknown normalizer 'klingon-1'"),
        ({"format": "sherpa-onnx"}, "an export for sherpa-onnx, which alone can run it"),
        ({"sha256": "0"}, "model.onnx is damaged, its checksum does not match"),
    ],
)
def test_a_description_that_is_wrong_is_one_sentence(copied: Path, changes: dict[str, Any], message: str) -> None:
    change(copied, **changes)
    with pytest.raises(InputError) as raised:
        stt.load(copied)
    assert message in str(raised.value)
    assert str(copied) in str(raised.value)


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def truncate_unnoticed(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])
    change(path.parent, sha256=file_hash(path))


def another_network(path: Path) -> None:
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])],
        "another",
        [value("x", onnx.TensorProto.FLOAT, [1, 2])],
        [value("y", onnx.TensorProto.FLOAT, [1, 2])],
    )
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9), str(path))
    change(path.parent, sha256=file_hash(path))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (damage, "model.onnx is damaged, its checksum does not match"),
        (truncate_unnoticed, "ONNX Runtime cannot read it"),
        (another_network, "not a network of this project: it has x tensor(float) of 2 dimensions, y"),
        (Path.unlink, "model.onnx is missing"),
    ],
)
def test_a_network_that_is_damaged_or_another_is_one_sentence(
    copied: Path, harm: Any, message: str, fails: Any, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "a.wav", spoken_in_tones("ab"), RATE)
    harm(copied / "model.onnx")
    assert message.partition(", y")[0] in fails(main, ["transcribe", str(copied), str(tmp_path / "a.wav")])


def test_a_foreign_folder_and_a_gpu_are_refused(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not an export of this project: it contains no export\.json"):
        stt.load(tmp_path)
    with pytest.raises(InputError, match="an export runs on the CPU, not on cuda"):
        stt.load(exported, "cuda")


def test_a_missing_onnx_runtime_is_one_sentence(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name.partition(".")[0] == "onnxruntime":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *arguments, **options)

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    stated = [f'{one}; extra == "{extra}"' for extra, requirements in extras.items() for one in requirements]
    monkeypatch.setattr("stt.errors.requires", lambda _: stated)
    monkeypatch.delitem(sys.modules, "stt.inference.exported")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        MissingExtraError, match="this needs onnxruntime, which is not installed; it comes with the extra"
    ):
        stt.load(exported)
