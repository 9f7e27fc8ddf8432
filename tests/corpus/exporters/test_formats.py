"""The files of each format, as its own tools want them."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import soundfile

from stt.corpus.export import Export
from stt.corpus.exporters import exporters
from stt.corpus.manifest import Manifest
from stt.errors import InputError
from tests.corpus.exporters.conftest import RATE, noise, write, write_one
from tests.corpus.exporters.test_round_trip import export, waveforms


def lines(path: Path) -> list[list[str]]:
    return [line.split(" ", 1) for line in path.read_text().splitlines()]


def test_nemo_paths_are_absolute_but_for_copies(parts: Manifest, tmp_path: Path) -> None:
    export("nemo", parts, tmp_path / "out")
    rows = [json.loads(line) for line in (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()]
    assert rows[1] == {
        "audio_filepath": str(parts.path.parent / "long.wav"),
        "text": "text of w2",
        "duration": 1.25,
        "offset": 7.5,
        "id": "w2",
        "domain": "radio",
    }
    assert rows[3]["audio_filepath"] == "audio/00000/00000003.flac"
    assert "offset" not in rows[3]
    assert soundfile.info(tmp_path / "out" / rows[3]["audio_filepath"]).frames == RATE


def test_kaldi_tables_are_sorted_and_agree(whole: Manifest, tmp_path: Path) -> None:
    export("kaldi", whole, tmp_path / "out", "--speaker-prefix")
    utterances = ["anna-u2", "bob-u0", "u1"]
    for name in ("text", "wav.scp", "utt2spk", "utt2dur", "utt2domain"):
        assert [line[0] for line in lines(tmp_path / "out" / name)] == utterances, name
    assert lines(tmp_path / "out" / "spk2utt") == [["anna", "anna-u2"], ["bob", "bob-u0"], ["u1", "u1"]]
    assert lines(tmp_path / "out" / "utt2language") == [["bob-u0", "ru"], ["u1", "ru"]]
    assert not (tmp_path / "out" / "segments").exists()
    speakers = [line[1] for line in lines(tmp_path / "out" / "utt2spk")]
    assert speakers == sorted(speakers)  # what validate_data_dir.sh checks


def test_an_order_that_is_not_by_speaker_is_counted(
    whole: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export("kaldi", whole, tmp_path / "out")  # u0 is bob's, u1 its own, u2 anna's
    assert "not carried: the order by speaker, which" in capsys.readouterr().out
    export("kaldi", whole, tmp_path / "with", "--speaker-prefix")
    assert "the order by speaker" not in capsys.readouterr().out


def test_kaldi_segments_share_their_recording(parts: Manifest, tmp_path: Path) -> None:
    export("kaldi", parts, tmp_path / "out")
    segments = {key: rest.split() for key, rest in lines(tmp_path / "out" / "segments")}
    assert segments["w1"][0] == segments["w2"][0]
    assert [float(number) for number in segments["w2"][1:]] == [7.5, 8.75]
    recordings = dict(lines(tmp_path / "out" / "wav.scp"))
    assert {rest[0] for rest in segments.values()} == set(recordings)
    assert list(recordings) == sorted(recordings)
    assert all(Path(path).is_file() for path in recordings.values())


def test_what_kaldi_would_run_or_take_apart_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    soundfile.write(folder / "touch me|", noise(1, 0), RATE, format="WAV")
    export(
        "kaldi", write(folder, [{"id": "a b", "audio": "touch me|", "text": "x\ny", "duration": 1.0}]), tmp_path / "out"
    )
    assert lines(tmp_path / "out" / "text") == [["a_b", "x y"]]
    assert lines(tmp_path / "out" / "wav.scp")[0][1].endswith("audio/00000/00000000.wav")
    assert "the id, which is written as another one: 1 rows" in capsys.readouterr().out


def test_a_path_that_no_text_file_can_contain_is_copied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    soundfile.write(tmp_path / "a.wav", noise(1, 0), RATE)
    (tmp_path / "a.wav").rename(folder / "a.wav")
    manifest = write(folder, [{"id": "a", "audio": "a.wav", "text": "x", "duration": 1.0}])
    export("nemo", manifest, tmp_path / "out")
    assert "audio written as files: 1 rows (a path that is not valid Unicode)" in capsys.readouterr().out
    assert (tmp_path / "out" / "audio" / "00000" / "00000000.wav").is_file()


def test_lhotse_reads_the_same_audio_and_finds_nothing_wrong(parts: Manifest, tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse", reason="lhotse is not installed: pip install '.[dev]'")
    export("lhotse", parts, tmp_path / "out")
    cuts = lhotse.CutSet.from_file(tmp_path / "out" / "cuts.jsonl.gz").to_eager()
    recordings = lhotse.RecordingSet.from_file(tmp_path / "out" / "recordings.jsonl.gz").to_eager()
    supervisions = lhotse.SupervisionSet.from_file(tmp_path / "out" / "supervisions.jsonl.gz").to_eager()
    lhotse.validate(cuts)
    lhotse.qa.validate_recordings_and_supervisions(recordings, supervisions)
    assert len(recordings) == 4  # both windows are of one
    expected = waveforms(parts)
    for cut in cuts:
        assert cut.supervisions[0].text == f"text of {cut.id}"
        assert cut.supervisions[0].custom["domain"] == "radio"
        assert np.allclose(cut.load_audio()[0], expected[cut.id], atol=1e-4), cut.id


def test_parquet_of_hugging_face_describes_its_columns(whole: Manifest, tmp_path: Path) -> None:
    export("huggingface", whole, tmp_path / "out", "--layout", "parquet", "--split", "dev")
    assert [path.name for path in (tmp_path / "out").rglob("*.*")] == ["dev-00000-of-00001.parquet"]
    table = pyarrow.parquet.read_table(tmp_path / "out" / "data" / "dev-00000-of-00001.parquet")
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert set(features) == set(table.column_names)
    assert (features["audio"], features["votes"]) == ({"_type": "Audio"}, {"dtype": "int64", "_type": "Value"})
    content = table["audio"][0].as_py()
    assert content["bytes"] == (whole.path.parent / "audio" / "0.wav").read_bytes()


def test_a_column_whose_name_is_taken_or_whose_type_json_lacks_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = write_one(tmp_path / "corpus", audio_filepath="y", raw=b"z")
    export("nemo", manifest, tmp_path / "out")
    said = capsys.readouterr().out
    assert "not carried: the column audio_filepath, whose name the format itself uses: 1 rows" in said
    assert "not carried: the type of the column raw, which becomes text: 1 rows" in said
    export("huggingface", manifest, tmp_path / "parquet", "--layout", "parquet")
    assert "not carried" not in capsys.readouterr().out
    table = pyarrow.parquet.read_table(next((tmp_path / "parquet").rglob("*.parquet")))
    assert (table["raw"].to_pylist(), table["audio_filepath"].to_pylist()) == ([b"z"], ["y"])


def test_speakers_whose_names_kaldi_cannot_have_are_counted_and_two_never_become_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    soundfile.write(folder / "a.wav", noise(1, 0), RATE)
    row = {"audio": "a.wav", "text": "x", "duration": 1.0}
    rows = [{**row, "id": str(i), "speaker": name} for i, name in enumerate(["anna b", "anna b", "bob", " ", None])]
    export("kaldi", write(folder, rows), tmp_path / "out")
    assert lines(tmp_path / "out" / "spk2utt") == [["3", "3"], ["4", "4"], ["anna_b", "0 1"], ["bob", "2"]]
    assert "the speaker, which is written as another one: 3 rows" in capsys.readouterr().out
    manifest = write(folder, [*rows, {**row, "id": "5", "speaker": "anna_b"}])
    with pytest.raises(InputError, match="'anna b' and 'anna_b' would both be called anna_b"):
        exporters()["kaldi"](Export(manifest, tmp_path, tmp_path))


class Chunks:
    """A table of one chunk per row that may not be taken from, because each `take` copies all chunks together."""

    def __init__(self, table: pa.Table) -> None:
        self.table = pa.concat_tables(table.slice(i, 1) for i in range(len(table)))

    def __getattr__(self, name: str) -> Any:
        assert name != "take"
        return getattr(self.table, name)

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        return self.table[name]

    def __len__(self) -> int:
        return len(self.table)


@pytest.mark.parametrize(("kind", "options"), [("kaldi", {}), ("nemo", {}), ("huggingface", {"layout": "parquet"})])
def test_the_chunks_of_a_table_are_not_copied_again_for_a_few_rows(
    kind: str, options: dict[str, str], whole: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stt.corpus.export.CHUNK_ROWS", 2)
    monkeypatch.setattr("stt.corpus.exporters.huggingface.GROUP_ROWS", 2)
    for name, table in (("whole", whole.table), ("chunks", Chunks(whole.table))):
        (tmp_path / name).mkdir()
        manifest = Manifest(table, whole.path)  # type: ignore[arg-type]
        exporters()[kind](Export(manifest, tmp_path / name, tmp_path / name), **options)
    for path in (tmp_path / "whole").rglob("*"):
        other = tmp_path / "chunks" / path.relative_to(tmp_path / "whole")
        if path.suffix == ".parquet":
            assert pyarrow.parquet.read_table(path) == pyarrow.parquet.read_table(other)
        elif path.is_file():
            assert path.read_text() == other.read_text()
