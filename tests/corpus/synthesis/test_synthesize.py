import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("espeakng_loader", reason="the speech synthesizer is not installed")

from stt.cli.main import main
from stt.corpus.manifest import read_manifest
from stt.corpus.synthesis import synthesize as module
from stt.corpus.synthesis.shard import Shard
from stt.corpus.synthesis.synthesize import Corpus, Options, synthesize
from stt.errors import InputError
from stt.text.normalize import get_normalizer

TEXTS = ["Call the bear.", "She went home.", "Nobody knows why, he said", "Zero three five", "Tom gives up", "Yes!"]
VOICES = ["en+f1", "en+m1", "en+m2"]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    return tmp_path / "texts.txt"


def command(texts: Path, out: Path, *options: str) -> list[str]:
    return ["corpus", "synthesize", str(texts), "--language", "en", "--out", str(out), *options]


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_corpus_depends_on_the_seed_and_not_on_the_number_of_processes(
    texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "UTTERANCES", 4)
    for workers in ("1", "2"):
        with pytest.raises(SystemExit) as done:
            main(command(texts, tmp_path / workers, "--workers", workers, "--domain", "voices", "--seed", "3"))
        assert done.value.code == 0
    said = capsys.readouterr().out
    assert "hours, 6 utterances in 6 voices, 0 texts skipped" in said
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2", "texts.txt"]

    manifest = read_manifest(tmp_path / "1" / "train.parquet")
    normalize = get_normalizer("plain-1")
    assert manifest.normalizer == "plain-1"
    assert sorted(manifest.table["text"].to_pylist()) == sorted(normalize(text).text for text in TEXTS)
    assert manifest.domains == ["voices"]
    assert len(set(manifest.table["speaker"].to_pylist())) == len(set(manifest.durations)) == len(TEXTS)
    for row in range(len(manifest)):
        path = Path(str(manifest.audio(row)))
        assert soundfile.info(path).samplerate == 16_000
        assert soundfile.info(path).duration == pytest.approx(manifest.durations[row], abs=1e-4)
        assert np.abs(manifest.waveform(row, 16_000)).max() > 0.05


@pytest.fixture
def instant(monkeypatch: pytest.MonkeyPatch) -> list[Shard]:
    """Replaces speech, of which every utterance takes two seconds, or none if its text says so; gives the shards."""
    made: list[Shard] = []

    def speak(shards: Iterator[Shard], workers: int) -> Iterator[tuple[Shard, list[float]]]:
        for shard in shards:
            made.append(shard)
            for i, utterance in enumerate(shard.utterances):
                path = shard.folder / shard.audio(i)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(utterance.voice.encode())
            yield shard, [0.0 if "zero" in one.sentence.text else 2.0 for one in shard.utterances]

    monkeypatch.setattr(module, "_in_order", speak)
    monkeypatch.setattr(module, "_voices", lambda options: VOICES)
    monkeypatch.setattr(module, "UTTERANCES", 5)
    return made


def make(texts: Path, out: Path, **options: object) -> Corpus:
    return synthesize([texts], out, get_normalizer("plain-1"), Options("en", **options), workers=1)


def test_the_texts_are_repeated_in_other_voices_until_there_are_enough_hours(
    texts: Path, tmp_path: Path, instant: list[Shard]
) -> None:
    corpus = make(texts, tmp_path / "out", hours=24 / 3600)
    assert corpus.seconds == 24
    manifest = read_manifest(tmp_path / "out" / "train.parquet")
    assert manifest.durations.sum() == 24
    pairs = zip(manifest.table["text"].to_pylist(), manifest.table["speaker"].to_pylist(), strict=True)
    assert len(set(pairs)) == len(manifest) == 12
    assert len(set(manifest.table["text"].to_pylist())) == 5
    files = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.flac")}
    assert files == set(manifest.table["audio"].to_pylist()), "what was synthesized beyond the hours is deleted"
    assert instant[0].max_seconds == 24


def test_a_text_of_which_nothing_comes_out_is_counted_once_and_named(
    texts: Path, tmp_path: Path, instant: list[Shard]
) -> None:
    corpus = make(texts, tmp_path / "out", hours=40 / 3600)
    assert list(corpus.skipped.lines()) == [f"silent text: 1 rows ({texts}:4); first: espeak-ng speaks nothing of it"]
    assert f"{texts}:4,silent text" in (tmp_path / "out" / "skipped.csv").read_text()


def test_texts_of_which_none_can_be_spoken_are_an_error(tmp_path: Path, instant: list[Shard]) -> None:
    (tmp_path / "texts.txt").write_text("zero\nzero zero")
    for hours in (None, 1.0):
        with pytest.raises(InputError, match="speaks none of the 2 texts in the language en"):
            make(tmp_path / "texts.txt", tmp_path / "out", hours=hours)
    assert [path.name for path in tmp_path.iterdir()] == ["texts.txt"]


def test_an_interrupted_synthesis_leaves_no_corpus_and_the_next_one_starts_over(
    texts: Path, tmp_path: Path, instant: list[Shard], monkeypatch: pytest.MonkeyPatch
) -> None:
    leftover = tmp_path / "out.partial" / "audio" / "00009" / "000.flac"  # of a killed one
    leftover.parent.mkdir(parents=True)
    leftover.touch()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, "write_manifest", interrupted)
        with pytest.raises(KeyboardInterrupt):
            make(texts, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["texts.txt"]
    make(texts, tmp_path / "out")
    assert len(list((tmp_path / "out").rglob("*.flac"))) == len(TEXTS) - 1


def test_two_processes_do_not_write_the_same_corpus(texts: Path, tmp_path: Path, instant: list[Shard]) -> None:
    with module._partial(tmp_path / "out") as partial:
        partial.mkdir()
        (partial / "file").touch()
        with pytest.raises(InputError, match="another process is synthesizing this corpus already"):
            make(texts, tmp_path / "out")
        assert (partial / "file").exists()
    make(texts, tmp_path / "out")


def test_a_process_that_dies_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "make_shard", os._exit)
    with pytest.raises(InputError, match="a worker process died"):
        list(module._in_order(iter([1, 1]), 1))  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--language", "tlh"], "no voice for the language 'tlh'"),
        (["--noise", "missing"], "missing: there is no such file or folder"),
        (["--rirs", "missing"], "missing: there is no such file or folder"),
        (["--normalizer", "missing"], "unknown normalizer 'missing'"),
        (["--domain", "a/b"], "the domain 'a/b' must be renamed"),
        (["--domain", ""], "--domain must not be empty"),
        (["--hours", "0"], "--hours must be a number more than 0, not 0"),
        (["--hours", "nan"], "--hours must be a number more than 0, not nan"),
        (["--out", "texts.txt"], "texts.txt: this is a file, but the corpus is a folder"),
        (["--out", "."], "the folder contains the input"),
        (["--out", "full"], "the folder is not empty"),
        (["missing.txt"], "missing.txt: there is no such file or folder"),
    ],
)
def test_bad_input_is_one_sentence(
    options: list[str],
    message: str,
    texts: Path,
    tmp_path: Path,
    fails: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    before = sorted(os.listdir(tmp_path))
    assert message in fails(main, [*command(texts, tmp_path / "new"), *options])
    assert sorted(os.listdir(tmp_path)) == before
