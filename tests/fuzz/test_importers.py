"""Every importer, on any bytes in every file that it reads."""

import csv
import gzip
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from stt.cli.main import main
from stt.corpus.manifest import read_manifest
from stt.text.normalize import get_normalizer
from tests.fuzz.harness import fuzzed, mutated, run

CSV = b'audio,text,duration,domain,offset\na.wav,"one, two",0.5,radio,\na.wav,three,0.5,calls,0.25\n'
TSV = b"audio\ttext\tduration\tdomain\na.wav\tone two\t0.5\tradio\na.wav\tthree\t0.5\tcalls\n"
LINES = b"".join(
    json.dumps({"audio_filepath": "a.wav", "text": text, "duration": 0.5, "domain": "radio"}).encode() + b"\n"
    for text in ("one two", "three")
)
KALDI = {
    "text": b"u1 one two\nu2 three\n",
    "wav.scp": b"u1 a.wav\nu2 a.wav\n",
    "segments": b"u1 a 0 0.4\nu2 a 0.1 0.5\n",
}
KALDI |= {"utt2spk": b"u1 anna\nu2 bob\n", "utt2dur": b"u1 0.5\nu2 0.5\n", "spk2gender": b"anna f\nbob m\n"}

KEY = "asr_calls_2_val/a/bc/def012345678"
CUT = {
    "id": "c1",
    "start": 0.0,
    "duration": 0.5,
    "channel": 0,
    "supervisions": [{"id": "s1", "start": 0.0, "duration": 0.5, "text": "one two", "custom": {"domain": "radio"}}],
    "recording": {"sources": [{"type": "file", "source": "a.wav"}], "duration": 0.5, "channel_ids": [0]},
    "type": "MonoCut",
}
SHAR = json.loads(json.dumps(CUT).replace('"type": "file", "source": "a.wav"', '"type": "shar", "source": ""'))
CORPORA = {  # of public corpora: what is imported, and the files that it consists of
    "open_stt": (
        ["--exclude", "exclude.csv", "--split", "all"],
        {
            "manifests/asr_calls_2_val.csv": f"{KEY}.wav,{KEY}.txt,0.5\n{KEY}.wav,{KEY}.txt,0.5\n".encode(),
            f"{KEY}.txt": b"one two\n",
            "exclude.csv": b"wav,dataset\n../x/radio_2/0/00/000000000000.wav,radio_2\n",
        },
    ),
    "common_voice": (
        [],
        {
            "train.tsv": b"client_id\tpath\tsentence\tlocale\nx\ta.wav\tone two\tru\nx\ta.wav\tthree\tru\n",
            "clip_durations.tsv": b"clip\tduration[ms]\na.wav\t500\n",
        },
    ),
    "librispeech": ([], {"dev/1/2/1-2.trans.txt": b"1-2-0000 ONE TWO\n1-2-0001 THREE\n"}),
    "golos": ([], {"manifest.jsonl": LINES.replace(b"a.wav", b"crowd/a.wav")}),
    "huggingface": ([], {"metadata.csv": b"file_name,text,region\na.wav,one two,north\na.wav,three,south\n"}),
    "lhotse": ([], {"cuts.jsonl": json.dumps(CUT).encode() + b"\n"}),
}

ARGUMENT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)  # no process gets \0


@pytest.fixture(scope="module")
def wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wav") / "a.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(4000).astype(np.float32), 8000)
    return path


@pytest.mark.parametrize(
    ("name", "valid"), [("m.csv", CSV), ("m.tsv", TSV), ("m.jsonl", LINES.replace(b"_filepath", b""))]
)
@pytest.mark.parametrize("skip", [[], ["--skip-bad"]], ids=["strict", "skip-bad"])
@fuzzed
@given(data=st.data())
def test_a_table(name: str, valid: bytes, skip: list[str], data: st.DataObject, wav: Path, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav.read_bytes())
    (tmp_path / name).write_bytes(data.draw(mutated(valid)))
    run(
        main, ["corpus", "import", "table", str(tmp_path / name), "--out", str(tmp_path / "o.parquet"), *skip], tmp_path
    )


@pytest.mark.parametrize("skip", [[], ["--skip-bad"]], ids=["strict", "skip-bad"])
@fuzzed
@given(data=st.data())
def test_nemo(skip: list[str], data: st.DataObject, wav: Path, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav.read_bytes())
    (tmp_path / "m.json").write_bytes(data.draw(mutated(LINES)))
    run(
        main,
        ["corpus", "import", "nemo", str(tmp_path / "m.json"), "--out", str(tmp_path / "o.parquet"), *skip],
        tmp_path,
    )


@pytest.mark.parametrize("name", list(KALDI))
@fuzzed
@given(data=st.data())
def test_kaldi(name: str, data: st.DataObject, wav: Path, tmp_path: Path) -> None:
    source = tmp_path / "kaldi"
    source.mkdir(exist_ok=True)
    (source / "a.wav").write_bytes(wav.read_bytes())
    for one, valid in KALDI.items():
        (source / one).write_bytes(data.draw(mutated(valid)) if one == name else valid)
    out = ["--out", str(tmp_path / "o.parquet"), "--skip-bad", "--domain", "{gender}"]
    run(main, ["corpus", "import", "kaldi", str(source), *out], tmp_path)


@pytest.mark.parametrize("name", ["a.wav", "a.txt"])
@fuzzed
@given(data=st.data())
def test_a_folder(name: str, data: st.DataObject, wav: Path, tmp_path: Path) -> None:
    source = tmp_path / "radio"
    source.mkdir(exist_ok=True)
    for one, valid in {"a.wav": wav.read_bytes(), "a.txt": b"one two\n"}.items():
        (source / one).write_bytes(data.draw(mutated(valid)) if one == name else valid)
    run(main, ["corpus", "import", "folder", str(source), "--out", str(tmp_path / "o.parquet")], tmp_path)


@fuzzed
@given(data=st.data())
def test_fsdd(data: st.DataObject, wav: Path, tmp_path: Path) -> None:
    source = tmp_path / "recordings"
    source.mkdir(exist_ok=True)
    (source / "1_anna_9.wav").write_bytes(wav.read_bytes())
    (source / "2_anna_9.wav").write_bytes(data.draw(mutated(wav.read_bytes())))
    strings = ["--strings", str(data.draw(st.integers(0, 3)))]
    run(main, ["corpus", "import", "fsdd", str(source), "--out", str(tmp_path / "o.parquet"), *strings], tmp_path)


@pytest.mark.parametrize(
    ("corpus", "name"), [(corpus, name) for corpus, (_, files) in CORPORA.items() for name in files]
)
@fuzzed
@given(data=st.data())
def test_a_public_corpus(corpus: str, name: str, data: st.DataObject, wav: Path, tmp_path: Path) -> None:
    source = tmp_path / "corpus"
    options, files = CORPORA[corpus]
    for audio in ("a.wav", "clips/a.wav", "crowd/a.wav", "dev/1/2/1-2-0000.flac", f"{KEY}.wav"):
        (source / audio).parent.mkdir(parents=True, exist_ok=True)
        (source / audio).write_bytes(wav.read_bytes())
    for one, valid in files.items():
        (source / one).parent.mkdir(parents=True, exist_ok=True)
        (source / one).write_bytes(data.draw(mutated(valid)) if one == name else valid)
    options = [str(source / part) if part.endswith(".csv") else part for part in options]
    out = ["--out", str(tmp_path / "o.parquet"), "--skip-bad", *options]
    run(main, ["corpus", "import", corpus, str(source), *out], tmp_path)


@pytest.mark.parametrize("name", ["cuts.000000.jsonl.gz", "recording.000000.tar"])
@fuzzed
@given(data=st.data())
def test_shar(name: str, data: st.DataObject, wav: Path, tmp_path: Path) -> None:
    source = tmp_path / "shar"
    source.mkdir(exist_ok=True)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        member = tarfile.TarInfo("c1.wav")
        member.size = wav.stat().st_size
        tar.addfile(member, io.BytesIO(wav.read_bytes()))
    files = {
        "cuts.000000.jsonl.gz": gzip.compress(json.dumps(SHAR).encode(), mtime=0),
        "recording.000000.tar": packed.getvalue(),
    }
    for one, valid in files.items():
        (source / one).write_bytes(data.draw(mutated(valid)) if one == name else valid)
    run(main, ["corpus", "import", "lhotse", str(source), "--out", str(tmp_path / "o.parquet"), "--skip-bad"], tmp_path)


@fuzzed
@given(data=st.data())
def test_audio_in_parquet(data: st.DataObject, wav: Path, tmp_path: Path) -> None:
    audio = [{"bytes": wav.read_bytes()[:3000], "path": "a.wav"}, None]
    columns = {"audio": audio, "text": ["one two", "three"], "n": [1, None]}
    pyarrow.parquet.write_table(pa.table(columns), tmp_path / "valid.parquet")
    (tmp_path / "m.parquet").write_bytes(data.draw(mutated((tmp_path / "valid.parquet").read_bytes())))
    out = ["--out", str(tmp_path / "o.parquet"), "--skip-bad"]
    run(main, ["corpus", "import", "huggingface", str(tmp_path / "m.parquet"), *out], tmp_path)


@fuzzed
@given(data=st.data())
def test_parquet(data: st.DataObject, wav: Path, tmp_path: Path) -> None:
    columns = {
        "audio": ["a.wav"] * 2,
        "text": ["one two", None],
        "domain": ["radio"] * 2,
        "n": [1, None],
        "x": [[1], []],
    }
    pyarrow.parquet.write_table(pa.table(columns), tmp_path / "valid.parquet")
    (tmp_path / "a.wav").write_bytes(wav.read_bytes())
    (tmp_path / "m.parquet").write_bytes(data.draw(mutated((tmp_path / "valid.parquet").read_bytes())))
    out = ["--out", str(tmp_path / "o.parquet"), "--skip-bad"]
    run(main, ["corpus", "import", "table", str(tmp_path / "m.parquet"), *out], tmp_path)


@fuzzed
@given(columns=ARGUMENT, domain=ARGUMENT | st.from_regex(r"\A\{[a-z.!:\[\]0-9_]{1,9}\}?\Z"))
def test_the_options_of_a_table(columns: str, domain: str, wav: Path, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav.read_bytes())
    (tmp_path / "m.csv").write_bytes(CSV)
    options = [f"--columns={columns}", f"--domain={domain}", "--out", str(tmp_path / "o.parquet")]
    run(main, ["corpus", "import", "table", str(tmp_path / "m.csv"), *options], tmp_path)


def written(ending: str, texts: list[str]) -> list[str]:
    """Lines of a table of texts, as Python's own modules write it."""
    if ending == ".jsonl":
        return [
            json.dumps({"audio": "a.wav", "text": text, "domain": "d"}, ensure_ascii=len(text) % 2 == 0)
            for text in texts
        ]
    if ending == ".tsv":
        return [f"a.wav\t{text}\td" for text in texts]
    lines = []
    for text in texts:
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(["a.wav", text, "d"])
        lines.append(line.getvalue())
    return lines


TEXTS = st.lists(st.text(max_size=12) | st.text(alphabet="ab\",\t' \n\r;\u200b\ufeff", max_size=8), max_size=6)
STRAY = st.none() | st.tuples(
    st.integers(0, 9), st.floats(0, 1), st.sampled_from(['"', '""', ',"', "'", "{", "\t", "\\"])
)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl"])
@fuzzed
@given(texts=TEXTS, stray=STRAY)
def test_every_text_comes_out_but_those_of_damaged_lines(
    ending: str, texts: list[str], stray: tuple[int, float, str] | None, wav: Path, tmp_path: Path
) -> None:
    """A row with a line break or a tab where there cannot be one is bad; a stray character costs its own row only."""
    if ending == ".tsv":  # with a tab and a line break in it, the text would be two rows to anyone
        texts = [text.replace("\n", " ") if "\t" in text else text for text in texts]
    texts = ["first", *texts, "last"]
    header = {".csv": ["audio,text,domain"], ".tsv": ["audio\ttext\tdomain"], ".jsonl": []}[ending]
    lines = written(ending, texts)
    hit = len(lines)
    if stray:
        hit = stray[0] % len(lines)
        place = int(stray[1] * len(lines[hit]))
        lines[hit] = lines[hit][:place] + stray[2] + lines[hit][place:]
    (tmp_path / "a.wav").write_bytes(wav.read_bytes())
    (tmp_path / f"m{ending}").write_bytes("\n".join([*header, *lines, ""]).encode())
    out = tmp_path / "o.parquet"
    out.unlink(missing_ok=True)
    ended = run(
        main, ["corpus", "import", "table", str(tmp_path / f"m{ending}"), "--out", str(out), "--skip-bad"], tmp_path
    )
    normalize = get_normalizer("plain-1")
    forbidden = {".csv": "\n\r\0", ".tsv": "\n\r\t\0", ".jsonl": ""}[ending]
    expected = []
    for i, text in enumerate(texts):
        result = normalize(text)
        good = result.text and not result.rejected and not set(text) & set(forbidden)
        expected.append(result.text if good and i != hit else None)
    before, after = ([text for text in part if text is not None] for part in (expected[:hit], expected[hit:]))
    if ended.code:
        assert not before + after
        return
    found = read_manifest(out).table["text"].to_pylist()
    assert found[: len(before)] == before
    assert found[len(found) - len(after) :] == after
    assert len(found) - len(before) - len(after) in ((0, 1) if stray else (0,))
