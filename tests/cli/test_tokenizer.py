import json
from pathlib import Path

import pytest

from stt.cli import tokenizer as command
from stt.cli.main import main as stt
from stt.text.tokenizer import Tokenizer


def manifest(folder: Path, texts: list[str]) -> Path:
    rows = [{"audio": f"{i}.wav", "text": text, "duration": 1.0, "domain": "a"} for i, text in enumerate(texts)]
    (folder / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "m.jsonl"


@pytest.mark.parametrize("options", [["letters"], ["train", "--pieces", "30"]])
def test_texts_that_the_normalizer_rejects_teach_no_letters(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = manifest(tmp_path, ["мама мыла раму"] * 9 + ["iPhone 9"]), tmp_path / "t.model"
    with pytest.raises(SystemExit):
        stt(["tokenizer", *options, str(source), "--out", str(out), "--normalizer", "russian-1"])
    assert Tokenizer.load(out).alphabet == set("мама мыла раму")
    assert "skipped: 1 texts for" in capsys.readouterr().out


def test_of_very_many_texts_a_sample_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = manifest(tmp_path, [f"{i}" for i in range(1000)])
    monkeypatch.setattr(command, "MAX_TEXTS", 100)
    texts = list(command._texts([source], "plain-1"))
    assert 60 < len(texts) < 140
    assert texts == list(command._texts([source], "plain-1"))
