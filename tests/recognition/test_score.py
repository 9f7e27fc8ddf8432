import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stt.cli.main import main

TEXTS = {"a": "two words", "b": "some more words", "c": "don't", "d": "last"}
HYPOTHESES = {"a": "Two, words!", "b": "some words", "c": "don't"}  # d is missing


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
    path = folder / "hypotheses.csv"
    path.write_text("audio,text\n" + "".join(f'audio/{name}.wav,"{text}"\n' for name, text in HYPOTHESES.items()))
    return path


def as_nemo(folder: Path) -> Path:
    path = folder / "hypotheses.json"
    lines = [
        {"audio_filepath": f"/elsewhere/audio/{name}.wav", "text": "the reference", "pred_text": text}
        for name, text in HYPOTHESES.items()
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def as_predictions(folder: Path) -> Path:
    path = folder / "predictions.jsonl"
    lines = [{"utterance": f"audio/{name}.wav", "text": text} for name, text in HYPOTHESES.items()]
    path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, {"utterance": "d.wav", "error": "broken"}]))
    return path


def as_kaldi(folder: Path) -> Path:
    path = folder / "text"
    path.write_text("".join(f"{name} {text}\n" for name, text in HYPOTHESES.items()))
    return path


def score(*arguments: Path | str) -> None:
    """Run the command, which must succeed."""
    with pytest.raises(SystemExit) as exit_:
        main(["score", *map(str, arguments)])
    assert exit_.value.code == 0


@pytest.mark.parametrize("write", [as_csv, as_nemo, as_predictions, as_kaldi])
def test_hypotheses_in_any_format_are_normalized_and_scored_by_domain(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], write: Callable[[Path], Path]
) -> None:
    score(manifest, write(tmp_path), "--out", tmp_path / "out.json")
    printed = capsys.readouterr().out
    results = json.loads((tmp_path / "out.json").read_text())
    assert results["normalizer"] == "plain-1"
    assert results["domains"]["x"]["wer"] == pytest.approx(1 / 5)
    assert results["domains"]["x"]["cer"] == pytest.approx(5 / 24)
    assert results["domains"]["y"]["wer"] == pytest.approx(1 / 2), "missing hypotheses count as deletions"
    assert results["mean"]["wer"] == pytest.approx((1 / 5 + 1 / 2) / 2)
    assert results["missing"] == ["audio/d.wav"]
    assert "1 without a hypothesis, counted as empty: audio/d.wav" in printed
    assert "35.00" in printed


def test_unmatched_hypotheses_and_dropped_symbols_are_reported(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text").write_text("a two % words\nstranger hello\nother\n")
    score(manifest, tmp_path / "text")
    printed = " ".join(capsys.readouterr().out.split())
    assert "2 not in" in printed
    assert "not counted: stranger, other" in printed
    assert "1 times dropped" in printed
    assert "symbol %" in printed


def test_segments_of_a_long_file_are_matched_by_offset(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fails: Callable[..., str]
) -> None:
    manifest, hypotheses = tmp_path / "manifest.jsonl", tmp_path / "hypotheses.jsonl"
    segments = [{"audio": "a.wav", "duration": 1.0, "domain": "x", "offset": offset} for offset in (0.0, 1.5)]
    manifest.write_text("".join(json.dumps({**one, "text": f"text {i}"}) + "\n" for i, one in enumerate(segments)))
    hypotheses.write_text("".join(json.dumps({**one, "text": f"text {i}"}) + "\n" for i, one in enumerate(segments)))
    score(manifest, hypotheses, "--out", tmp_path / "out.json")
    results = json.loads((tmp_path / "out.json").read_text())
    assert (results["mean"]["wer"], results["missing"], results["unmatched"]) == (0.0, [], [])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.csv", None, "missing.csv: no such file"),
        (
            "x.csv",
            "audio,words\na.wav,b\n",
            "x.csv:2: no column hypothesis or pred_text or prediction or text; it has audio, words",
        ),
        ("x.jsonl", '{"text": "b"}\n', "x.jsonl:1: no column audio or audio_filepath"),
        ("x.jsonl", "nonsense\n", "x.jsonl:1: not valid JSON"),
        ("x.jsonl", "[1]\n", "x.jsonl:1: not a JSON object"),
        ("x.jsonl", '{"audio": "a.wav", "offset": "soon", "text": "b"}\n', "x.jsonl:1: the offset is not a number"),
        ("text", "a b\na c\n", "text:2: second hypothesis for audio/a.wav"),
    ],
)
def test_an_invalid_file_is_reported_with_its_line(
    manifest: Path, tmp_path: Path, fails: Callable[..., str], name: str, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    assert message in fails(main, ["score", str(manifest), str(tmp_path / name)])


def test_an_ambiguous_name_is_rejected(tmp_path: Path, fails: Callable[..., str]) -> None:
    lines = [{"audio": f"{folder}/a.wav", "text": "b", "duration": 1.0, "domain": "x"} for folder in ("one", "two")]
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "text").write_text("a b\n")
    printed = fails(main, ["score", str(tmp_path / "manifest.jsonl"), str(tmp_path / "text")])
    assert "a matches several utterances" in printed
    normalizer = ["--normalizer", "klingon"]
    assert "klingon" in fails(main, ["score", str(tmp_path / "manifest.jsonl"), str(tmp_path / "text"), *normalizer])


@pytest.mark.parametrize(
    ("audio", "hypothesis", "same"),
    [
        ("spk1/1.wav", "spk9/1.wav", False),
        ("spk1/1.wav", "/elsewhere/spk9/1", False),
        ("/data/spk1/1.wav", "/other/spk1/1.wav", False),
        ("spk1/1.wav", "/elsewhere/spk1/1.wav", True),
        ("/data/x/spk1/1.wav", "spk1/1", True),
        ("../data/spk1/1.wav", "/elsewhere/data/spk1/1.wav", True),
        ("s3://bucket/spk1/1.wav", "./spk1/1.flac", True),
        ("spk1/1.wav", "1.wav", True),
        ("1.wav", "/elsewhere/spk9/1.wav", True),
    ],
)
def test_as_many_folders_are_compared_as_both_paths_have(
    tmp_path: Path, audio: str, hypothesis: str, same: bool
) -> None:
    line = {"audio": audio, "text": "b", "duration": 1.0, "domain": "x"}
    (tmp_path / "m.jsonl").write_text(json.dumps(line) + "\n")
    (tmp_path / "text").write_text(f"{hypothesis} b\n")
    score(tmp_path / "m.jsonl", tmp_path / "text", "--out", tmp_path / "out.json")
    results = json.loads((tmp_path / "out.json").read_text())
    assert (results["mean"]["wer"], results["unmatched"]) == ((0, []) if same else (1, [hypothesis]))


def test_a_stranger_of_the_same_file_name_leaves_the_hypothesis_alone(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text").write_text("audio/a.wav two words\nother/a.wav nonsense\n")
    score(manifest, tmp_path / "text")
    assert "not counted: other/a.wav" in " ".join(capsys.readouterr().out.split())


def test_utterances_can_be_matched_by_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        {"id": f"u{i}", "audio": "long.wav", "offset": float(i), "text": text, "duration": 1.0, "domain": "d"}
        for i, text in enumerate(["one", "two"])
    ]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "text").write_text("u1 two\nu0 one\nu7 three\n")
    score(tmp_path / "m.jsonl", tmp_path / "text", "--out", tmp_path / "out.json")
    results = json.loads((tmp_path / "out.json").read_text())
    assert (results["domains"]["d"]["cer"], results["missing"], results["unmatched"]) == (0, [], ["u7"])
