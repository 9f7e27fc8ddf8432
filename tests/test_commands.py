import json
from pathlib import Path

import pytest

from stt.cli.main import main
from tests.conftest import write_corpus


@pytest.fixture
def manifests(tmp_path: Path) -> list[str]:
    """Two small manifests of tones with different domains."""
    folders = {"a": ("high", "low"), "b": ("near", "far")}
    return [str(write_corpus(tmp_path / name, 8, seed, folders[name])) for seed, name in enumerate(folders)]


def run(args: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(args)
    captured = capsys.readouterr()
    assert stopped.value.code == 0, captured.err
    return captured.out


def test_commands_accept_several_manifests(
    manifests: list[str], tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "pieces written" in run(["tokenizer", "train", *manifests, "--out", str(tmp_path / "t.model")], capsys)
    assert "pieces written" in run(["tokenizer", "letters", *manifests, "--out", str(tmp_path / "l.model")], capsys)
    domains = {"high", "low", "near", "far"}
    assert domains <= set(run(["corpus", "stats", *manifests], capsys).split())
    assert domains <= set(run(["corpus", "feasibility", *manifests, "--pieces", "8", "--stride", "2"], capsys).split())
    speeds = run(
        ["bench", "loading", *manifests, "--sample-rate", "8000", "--strength", "0", "--utterances", "2"], capsys
    )
    assert json.loads(speeds).keys() == domains
    (tmp_path / "hypotheses.csv").write_text("id,text\nof no utterance,a\n")
    scored = run(["score", *manifests, str(tmp_path / "hypotheses.csv"), "--out", str(tmp_path / "s.json")], capsys)
    assert "16 without a hypothesis" in scored
    assert json.loads((tmp_path / "s.json").read_text())["domains"].keys() == domains
    checkpoint = str(trained / "checkpoints" / "last.ckpt")
    train_corrector = ["corrector", "train", checkpoint, *manifests, *(f"--validate={name}" for name in manifests)]
    assert "pairs" in run([*train_corrector, "--out", str(tmp_path / "c.ckpt"), "--steps", "1"], capsys)
