import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stt.cli.main import main

TEXTS = {"a": "two words", "b": "some more words", "c": "don't", "d": "last"}
SAID = {"a": "Two, words!", "b": "some words", "c": "don't"}  # d is missing


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.jsonl"
    lines = [
        {"audio": f"audio/{name}.wav", "text": text, "duration": 1.0, "domain": "x" if name in "ab" else "y"}
        for name, text in TEXTS.items()
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def as_csv(folder: Path) -> Path:
    path = folder / "found.csv"
    path.write_text("audio,text\n" + "".join(f'audio/{name}.wav,"{text}"\n' for name, text in SAID.items()))
    return path


def as_nemo(folder: Path) -> Path:
    path = folder / "found.json"
    lines = [
        {"audio_filepath": f"/elsewhere/{name}.wav", "text": "the reference", "pred_text": text}
        for name, text in SAID.items()
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def as_predictions(folder: Path) -> Path:
    path = folder / "predictions.jsonl"
    lines = [{"utterance": f"audio/{name}.wav", "text": text} for name, text in SAID.items()]
    path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, {"utterance": "d.wav", "error": "broken"}]))
    return path


def as_kaldi(folder: Path) -> Path:
    path = folder / "text"
    path.write_text("".join(f"{name} {text}\n" for name, text in SAID.items()))
    return path


@pytest.mark.parametrize("write", [as_csv, as_nemo, as_predictions, as_kaldi])
def test_hypotheses_of_any_format_are_scored_by_domain_after_the_same_normalizer(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], write: Callable[[Path], Path]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["score", str(manifest), str(write(tmp_path)), "--out", str(tmp_path / "out.json")])
    said = capsys.readouterr().out
    assert stopped.value.code == 0, said
    results = json.loads((tmp_path / "out.json").read_text())
    assert results["normalizer"] == "plain-1"
    assert results["domains"]["x"]["wer"] == pytest.approx(1 / 5)
    assert results["domains"]["x"]["cer"] == pytest.approx(5 / 24)
    assert results["domains"]["y"]["wer"] == pytest.approx(1 / 2), "what is missing counts as deleted"
    assert results["mean"]["wer"] == pytest.approx((1 / 5 + 1 / 2) / 2)
    assert results["missing"] == ["audio/d.wav"]
    assert "1 without a hypothesis, counted as empty: audio/d.wav" in said
    assert "35.00" in said


def test_what_is_of_no_utterance_is_named_and_what_cannot_be_spoken_is_counted(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text").write_text("a two % words\nstranger hello\nother\n")
    with pytest.raises(SystemExit) as stopped:
        main(["score", str(manifest), str(tmp_path / "text")])
    said = " ".join(capsys.readouterr().out.split())
    assert stopped.value.code == 0
    assert "2 not in" in said
    assert "not counted: stranger, other" in said
    assert "1 times dropped" in said
    assert "symbol %" in said


def test_windows_of_a_long_file_are_told_apart_by_their_offsets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fails: Callable[..., str]
) -> None:
    manifest, found = tmp_path / "manifest.jsonl", tmp_path / "found.jsonl"
    windows = [{"audio": "a.wav", "duration": 1.0, "domain": "x", "offset": offset} for offset in (0.0, 1.5)]
    manifest.write_text("".join(json.dumps({**one, "text": f"text {i}"}) + "\n" for i, one in enumerate(windows)))
    found.write_text("".join(json.dumps({**one, "text": f"text {i}"}) + "\n" for i, one in enumerate(windows)))
    with pytest.raises(SystemExit) as stopped:
        main(["score", str(manifest), str(found), "--out", str(tmp_path / "out.json")])
    assert stopped.value.code == 0
    results = json.loads((tmp_path / "out.json").read_text())
    assert (results["mean"]["wer"], results["missing"], results["surplus"]) == (0.0, [], [])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "none.csv: there is no such file"),
        ("x.csv", "audio,words\na.wav,b\n", "x.csv:2: there is none of hypothesis, pred_text, prediction, text"),
        ("x.jsonl", '{"text": "b"}\n', "x.jsonl:1: there is none of audio, audio_filepath"),
        ("x.jsonl", "nonsense\n", "x.jsonl:1: not a line of JSON"),
        ("x.jsonl", "[1]\n", "x.jsonl:1: not a JSON object"),
        ("x.jsonl", '{"audio": "a.wav", "offset": "soon", "text": "b"}\n', "x.jsonl:1: the offset is not a number"),
        ("text", "a b\na c\n", "text:2: there is a second hypothesis for audio/a.wav"),
    ],
)
def test_a_file_that_cannot_be_scored_is_named_with_its_line(
    manifest: Path, tmp_path: Path, fails: Callable[..., str], name: str, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    assert message in fails(main, ["score", str(manifest), str(tmp_path / name)])


def test_a_name_of_several_utterances_is_refused(tmp_path: Path, fails: Callable[..., str]) -> None:
    lines = [{"audio": f"{folder}/a.wav", "text": "b", "duration": 1.0, "domain": "x"} for folder in ("one", "two")]
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "text").write_text("a b\n")
    said = fails(main, ["score", str(tmp_path / "manifest.jsonl"), str(tmp_path / "text")])
    assert "a names several utterances" in said
    normalizer = ["--normalizer", "klingon"]
    assert "klingon" in fails(main, ["score", str(tmp_path / "manifest.jsonl"), str(tmp_path / "text"), *normalizer])


def test_what_has_another_name_than_its_file_is_found_by_its_id(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        {"id": f"u{i}", "audio": "long.wav", "offset": float(i), "text": text, "duration": 1.0, "domain": "d"}
        for i, text in enumerate(["one", "two"])
    ]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "text").write_text("u1 two\nu0 one\nu7 three\n")
    with pytest.raises(SystemExit) as stopped:
        main(["score", str(tmp_path / "m.jsonl"), str(tmp_path / "text"), "--out", str(tmp_path / "out.json")])
    assert stopped.value.code == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert (found["domains"]["d"]["cer"], found["missing"], found["surplus"]) == (0, [], ["u7"])
