"""Common Voice, LibriSpeech and Golos in miniature."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from stt.cli.main import main
from tests.corpus.test_importers import RATE, run_import, sound, texts

V25 = (
    "client_id path sentence_id sentence sentence_domain up_votes down_votes age gender accents variant locale segment"
)
V8 = "client_id path sentence up_votes down_votes age gender accent locale segment"


def common_voice(folder: Path, header: str, clips: dict[str, str]) -> Path:
    for name in clips:
        sound(folder / "clips" / name.replace(".mp3", ".wav"), 1.0).rename(folder / "clips" / name)
    known = {"client_id": "c0ffee", "locale": "ru", "accent": "север", "accents": "север", "up_votes": "2"}
    lines = ["\t".join(header.split())]
    for name, sentence in clips.items():
        cells = known | {"path": name, "sentence": sentence}
        lines.append("\t".join(cells.get(column, "") for column in header.split()))
    (folder / "train.tsv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize("header", [V8, V25], ids=["v8", "v25"])
def test_common_voice_is_read_by_the_names_of_its_columns(header: str, tmp_path: Path) -> None:
    folder = common_voice(
        tmp_path / "ru", header, {"common_voice_ru_1.mp3": '""Да"", сказал он.', "common_voice_ru_2.mp3": "Нет"}
    )
    manifest = run_import("common_voice", folder, tmp_path / "m.parquet", "--domain", "{accents}")
    assert texts(manifest) == ["да сказал он", "нет"]
    assert manifest.table["id"].to_pylist() == ["common_voice_ru_1", "common_voice_ru_2"]
    assert manifest.domains == ["север"]
    assert manifest.table["speaker"].to_pylist() == ["c0ffee"] * 2
    assert {"accents", "up_votes"} <= set(manifest.table.column_names)
    assert not {"path", "sentence", "client_id", "accent"} & set(manifest.table.column_names)


@pytest.mark.parametrize("column", ["clip", "filename"])
def test_durations_of_common_voice_are_compared_with_the_audio(column: str, tmp_path: Path) -> None:
    folder = common_voice(tmp_path / "ru", V25, {"1.mp3": "да", "2.mp3": "нет", "3.mp3": "может быть"})
    (folder / "clip_durations.tsv").write_text(f"{column}\tduration[ms]\n1.mp3\t1000\n2.mp3\t5000\n3.mp3\tlong\n")
    manifest = run_import("common_voice", folder, tmp_path / "m.parquet", "--skip-bad")
    assert texts(manifest) == ["да", "может быть"]
    listed = (tmp_path / "m.bad.csv").read_text()
    assert "train.tsv:3,wrong duration" in listed
    assert "clip_durations.tsv:4,bad line" in listed


def test_a_table_of_common_voice_without_clips_is_refused(tmp_path: Path, fails: Callable[..., str]) -> None:
    (tmp_path / "reported.tsv").write_text("sentence\tsentence_id\nда\t1\n")
    command = ["corpus", "import", "common_voice", str(tmp_path), "--split", "reported", "--out"]
    assert "no column 'path'" in fails(main, [*command, str(tmp_path / "m.parquet")])


def test_librispeech_with_two_splits(tmp_path: Path, fails: Callable[..., str]) -> None:
    for split, speaker in {"dev-clean": "84", "test-other": "367"}.items():
        chapter = tmp_path / "LibriSpeech" / split / speaker / "121123"
        lines = []
        for i in range(2):
            name = f"{speaker}-121123-{i:04d}"
            sound(chapter / f"{name}.wav").unlink()
            soundfile.write(chapter / f"{name}.flac", [0.1, -0.1] * 4000, RATE)
            lines.append(f"{name} GO ON NUMBER {'ONE TWO'.split()[i]}")
        (chapter / f"{speaker}-121123.trans.txt").write_text("\n".join(lines) + "\n")
    manifest = run_import("librispeech", tmp_path / "LibriSpeech", tmp_path / "m.parquet")
    assert manifest.domains == ["dev-clean", "test-other"]
    assert manifest.table["id"].to_pylist()[0] == "84-121123-0000"
    assert manifest.table["speaker"].to_pylist() == ["84", "84", "367", "367"]
    one = run_import("librispeech", tmp_path / "LibriSpeech" / "dev-clean", tmp_path / "o.parquet")
    assert (one.domains, texts(one)[1]) == (["dev-clean"], "go on number two")
    (tmp_path / "links" / "my-split").mkdir(parents=True)
    (tmp_path / "links" / "my-split" / "84").symlink_to(tmp_path / "LibriSpeech" / "dev-clean" / "84")
    linked = run_import("librispeech", tmp_path / "links", tmp_path / "l.parquet")
    assert (linked.domains, linked.value(0, "speaker")) == (["my-split"], "84")
    shutil.rmtree(tmp_path / "links")
    (tmp_path / "LibriSpeech/dev-clean/84/121123/84-121123-0001.flac").unlink()
    said = fails(main, ["corpus", "import", "librispeech", str(tmp_path), "--out", str(tmp_path / "m.parquet")])
    assert "unreadable audio: 1 rows" in said
    assert "84-121123.trans.txt:2" in said


def test_golos_has_crowd_and_farfield_as_domains(tmp_path: Path, fails: Callable[..., str]) -> None:
    train, test = tmp_path / "train_opus", tmp_path / "test_opus" / "farfield"
    for path in (train / "crowd/0/a.opus", train / "farfield/b.opus", test / "files/c.opus"):
        sound(path.with_suffix(".wav")).rename(path)
    lines = [
        {"id": "a1", "audio_filepath": "crowd/0/a.opus", "text": "джой включи", "duration": 1.0},
        {"id": "b1", "audio_filepath": "farfield/b.opus", "text": "стоп", "duration": 1.0},
    ]
    (train / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    manifest = run_import("golos", train, tmp_path / "m.parquet")
    assert manifest.table["domain"].to_pylist() == ["crowd", "farfield"]
    assert manifest.table["id"].to_pylist() == ["a1", "b1"]
    (test / "manifest.jsonl").write_text('{"audio_filepath": "files/c.opus", "text": "тише", "duration": 1.0}\n')
    assert run_import("golos", test / "manifest.jsonl", tmp_path / "t.parquet").domains == ["farfield"]
    (train / "manifest.jsonl").write_text('{"audio_filepath": "files/c.opus", "text": "тише", "duration": 1.0}\n{\n')
    said = fails(main, ["corpus", "import", "golos", str(train), "--out", str(tmp_path / "m.parquet")])
    assert "no domain: 1 rows (manifest.jsonl:1)" in said
    assert "bad line: 1 rows (manifest.jsonl:2)" in said
