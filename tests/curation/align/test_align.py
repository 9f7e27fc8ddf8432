"""Long recordings of tones against their texts, from the network to the files."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pysubs2 import SSAFile

from stt.cli.main import main
from stt.corpus.manifest import read_manifest
from tests.conftest import LETTERS, RATE, spoken_in_tones

PHRASE_SECONDS = 2.6  # three words of three tones in 0.2 s, and four pauses


def phrases(count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join("".join(rng.permutation(list(LETTERS))[:3]) for _ in range(3)) for _ in range(count)]


def record(path: Path, texts: list[str], pause: float = 0.0) -> Path:
    silence = np.zeros(int(pause * RATE), np.float32)
    parts = [np.append(spoken_in_tones(text, seed=i), silence) for i, text in enumerate(texts)]
    soundfile.write(path, np.concatenate(parts), RATE)
    return path


@pytest.fixture
def ckpt(trained: Path) -> Path:
    return trained / "checkpoints" / "best.ckpt"


def align(audio: Path, text: Path, ckpt: Path, *options: str) -> Path:
    out = audio.parent / "out.parquet"
    with pytest.raises(SystemExit) as ended:
        main(["corpus", "align", str(audio), str(text), "--ckpt", str(ckpt), "--out", str(out), *options])
    assert ended.value.code == 0
    return out


def write_text(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_sentences_are_found_at_their_times(ckpt: Path, tmp_path: Path) -> None:
    texts = phrases(40)
    written = [f"{text.capitalize()}." for text in texts]
    audio, text = record(tmp_path / "long.wav", texts), write_text(tmp_path / "long.txt", [" ".join(written)])
    manifest = read_manifest(align(audio, text, ckpt, f"--srt={tmp_path}/a.srt", f"--textgrid={tmp_path}/a.TextGrid"))
    assert manifest.normalizer == "plain-1"
    rows = manifest.table.to_pylist()
    places = {original: i for i, original in enumerate(written)}
    assert len(rows) >= 36
    for row in rows:
        i = places[row["original"]]
        assert row["text"] == texts[i]
        assert row["offset"] == pytest.approx(PHRASE_SECONDS * i + 0.2, abs=0.2)
        assert row["offset"] + row["duration"] == pytest.approx(PHRASE_SECONDS * (i + 1) - 0.2, abs=0.2)
    kept = {row["original"] for row in rows}
    with (tmp_path / "out.rejected.csv").open() as file:
        rejected = list(csv.DictReader(file))
    assert kept | {row["text"] for row in rejected} == set(written), "every sentence is kept or listed"
    assert all(row["reason"] for row in rejected)
    assert len(SSAFile.load(str(tmp_path / "a.srt"))) > 10
    assert f'"{written[0].split()[0]}"' in (tmp_path / "a.TextGrid").read_text()
    assert manifest.waveform(0, RATE).shape[0] == pytest.approx(rows[0]["duration"] * RATE, abs=RATE / 50)


def test_what_is_not_spoken_and_what_is_not_written_is_not_kept(ckpt: Path, tmp_path: Path) -> None:
    texts = phrases(60, seed=1)
    spoken = [text for i, text in enumerate(texts) if i % 10 != 3]
    written = [text for i, text in enumerate(texts) if i % 10 != 7]
    both = [text for i, text in enumerate(texts) if i % 10 not in (3, 7)]
    audio, text = record(tmp_path / "long.wav", spoken, pause=0.4), write_text(tmp_path / "long.txt", written)
    rows = read_manifest(align(audio, text, ckpt)).table.to_pylist()
    start = {text: (PHRASE_SECONDS + 0.4) * i for i, text in enumerate(spoken)}
    right = [row for row in rows if abs(row["offset"] - start.get(row["text"], -9) - 0.2) < 0.3]
    assert len(right) >= 0.85 * len(both)
    assert len(right) == len(rows)


def test_rejected_pieces_that_have_times_can_be_reviewed(ckpt: Path, tmp_path: Path) -> None:
    texts = phrases(40, seed=4)
    written = [text if i % 4 else " ".join([*text.split()[:2], "abcde"]) for i, text in enumerate(texts)]
    audio, text = record(tmp_path / "long.wav", texts, pause=0.4), write_text(tmp_path / "long.txt", written)
    kept = read_manifest(align(audio, text, ckpt, "--max-seconds=2.6"))
    rejected = read_manifest(tmp_path / "out.rejected.parquet")
    with (tmp_path / "out.rejected.csv").open() as file:
        listed = [row for row in csv.DictReader(file) if row["start"]]
    assert rejected.table["original"].to_pylist() == [row["text"] for row in listed]
    assert rejected.table["rule"].to_pylist() == [row["reason"] for row in listed]
    assert not set(rejected.table["id"].to_pylist()) & set(kept.table["id"].to_pylist())
    rows = rejected.table.to_pylist()
    assert all(row["hypothesis"] for row in rows)
    assert all((row["figure"] is None) == (row["limit"] is None) for row in rows)
    assert all(row["figure"] < row["limit"] for row in rows if row["rule"] in ("low score", "too short"))
    page = tmp_path / "review.html"
    with pytest.raises(SystemExit) as ended:
        main(["corpus", "review", str(rejected.path), "--out", str(page)])
    assert ended.value.code == 0
    assert page.read_text().count("<audio ") == min(10, len(rejected))


def test_a_line_without_sentences_is_cut_into_pieces_of_the_wanted_length(ckpt: Path, tmp_path: Path) -> None:
    texts = phrases(30, seed=2)
    audio, text = record(tmp_path / "long.wav", texts), write_text(tmp_path / "long.txt", [" ".join(texts)])
    rows = read_manifest(align(audio, text, ckpt, "--min-seconds=2", "--max-seconds=6")).table.to_pylist()
    assert sum(row["duration"] for row in rows) > 0.7 * PHRASE_SECONDS * 30
    assert all(1.9 < row["duration"] < 6.5 for row in rows)
    assert " ".join(texts).find(rows[0]["text"]) == 0


def test_a_word_outside_the_alphabet_costs_its_sentence_only(
    ckpt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = phrases(20, seed=3)
    lines = [*texts[:9], f"{texts[9]} 100%", *texts[10:]]
    audio, text = record(tmp_path / "long.wav", texts), write_text(tmp_path / "long.txt", lines)
    rows = read_manifest(align(audio, text, ckpt)).table.to_pylist()
    assert texts[9] not in {row["text"] for row in rows}
    assert len(rows) >= 16
    assert "symbol %" in capsys.readouterr().out
    assert "cannot be spelled" in (tmp_path / "out.rejected.csv").read_text()


def test_what_cannot_be_aligned_is_one_sentence_and_leaves_no_file(
    ckpt: Path, tmp_path: Path, fails: Callable[..., str]
) -> None:
    audio = record(tmp_path / "long.wav", phrases(30))
    good = write_text(tmp_path / "good.txt", phrases(30))

    def said(audio: Path, text: Path, *options: str) -> str:
        out = ["--out", str(tmp_path / "new" / "out.parquet")]
        return fails(main, ["corpus", "align", str(audio), str(text), "--ckpt", str(ckpt), *out, *options])

    other = write_text(tmp_path / "other.txt", phrases(30, seed=9))
    assert "no nearer to the text than to its words in another order" in said(audio, other)
    empty = write_text(tmp_path / "empty.txt", ["", " - "])
    assert "empty.txt: the text has no words" in said(audio, empty)
    foreign = write_text(tmp_path / "foreign.txt", ["xyz wvu"])
    assert "2 of 2 words cannot be spelled" in said(audio, foreign)
    soundfile.write(tmp_path / "nothing.wav", np.zeros(0, np.float32), RATE)
    assert "nothing.wav" in said(tmp_path / "nothing.wav", good)
    soundfile.write(tmp_path / "silence.wav", np.zeros(9 * RATE, np.float32), RATE)
    assert "nothing is recognized in the recording" in said(tmp_path / "silence.wav", good)
    assert "missing.wav" in said(tmp_path / "missing.wav", good)
    assert "missing.txt" in said(audio, tmp_path / "missing.txt")
    assert "--max-seconds 1 must be more" in said(audio, good, "--max-seconds=1")
    assert "the domain 'a/b' must be renamed" in said(audio, good, "--domain=a/b")
    assert not (tmp_path / "new").exists()


def test_the_inputs_are_not_overwritten(ckpt: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    audio, text = record(tmp_path / "a.wav", phrases(12)), write_text(tmp_path / "a.txt", phrases(12))
    out = str(tmp_path / "out.parquet")
    args = ["corpus", "align", str(audio), str(text), "--ckpt", str(ckpt), "--out", out, "--srt", str(text)]
    assert "is an input of this command" in fails(main, args)
    assert text.read_text().splitlines() == phrases(12)


def test_a_manifest_tells_how_it_was_aligned_and_its_ids_can_be_told_apart(
    ckpt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = phrases(12)
    audio, text = record(tmp_path / "01.wav", texts), write_text(tmp_path / "01.txt", [f"{one}." for one in texts])
    out = align(audio, text, ckpt, "--id-prefix", "book-", "--domain", "books")
    manifest = read_manifest(out)
    assert str(manifest.value(0, "id")).startswith("book-01-")
    assert manifest.value(0, "audio") == "01.wav"
    with pytest.raises(SystemExit):
        main(["corpus", "history", str(out)])
    said = capsys.readouterr().out
    assert "align" in said
    assert "min_seconds" in said
    assert "01.txt" in said
