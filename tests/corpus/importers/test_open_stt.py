import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stt.cli.main import main
from stt.corpus.importers.open_stt import rows
from stt.corpus.open_stt.tables import read_tables
from tests.corpus.test_importers import RATE, run_import, texts

KEYS = (f"{number:015x}" for number in itertools.count(0xABCDEF012345000))


def utterance(corpus: Path, data_set: str, text: str | None, extension: str = "opus", claimed: str = "opus") -> str:
    """Write the files of an utterance; return its line in the table."""
    key = next(KEYS)
    stem = f"{data_set}/{key[0]}/{key[1:3]}/{key[3:]}"
    path = corpus / f"{stem}.{extension}"
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, RATE).astype(np.float32)
    kind = {"opus": {"format": "OGG", "subtype": "OPUS"}, "mp3": {"format": "MP3"}, "wav": {"format": "WAV"}}
    soundfile.write(path, noise, RATE, **kind[extension])
    if text is not None:
        path.with_suffix(".txt").write_text(text)
    return f"{stem}.{claimed},{stem}.txt,1.0"


def table(corpus: Path, name: str, lines: list[str]) -> Path:
    path = corpus / "manifests" / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line + "\n" for line in lines))
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Two training tables and a validation set, with what the release has that surprises."""
    corpus = tmp_path / "openstt"
    books = [
        utterance(corpus, "private_buriy_audiobooks_2", "Он ушёл\n"),
        utterance(corpus, "private_buriy_audiobooks_2", "ДА\n"),
    ]
    radio = [
        utterance(corpus, "radio_2", "новости", "mp3", "wav"),
        utterance(corpus, "radio_2", "погода", "wav", "opus"),
    ]
    table(corpus, "private_buriy_audiobooks_2", books)
    table(corpus, "radio_2", radio)
    table(corpus, "asr_calls_2_val", [utterance(corpus, "asr_calls_2_val", "да", "wav", "wav")])
    return corpus


def test_training_tables_are_read_without_what_the_validation_sets_say(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = run_import("open_stt", corpus, corpus / "m.parquet", "--normalizer", "russian-1")
    assert texts(manifest) == ["он ушел", "новости", "погода"]
    assert manifest.table["domain"].to_pylist() == ["audiobooks", "radio", "radio"]
    assert [Path(str(manifest.value(row, "audio"))).suffix for row in range(3)] == [".opus", ".mp3", ".wav"]
    assert str(manifest.value(1, "id")).startswith("radio_2_abcdef012345")
    assert "excluded: the text is also in a validation set: 1 rows" in capsys.readouterr().out


def test_validation_texts_that_cannot_be_compared_are_logged(corpus: Path, caplog: pytest.LogCaptureFixture) -> None:
    next((corpus / "asr_calls_2_val").rglob("*.txt")).unlink()
    assert len(run_import("open_stt", corpus, corpus / "m.parquet", "--only", "radio_2")) == 2
    assert "asr_calls_2_val.csv: 1 texts cannot be read" in caplog.text
    assert "public_youtube700_val.csv is missing" in caplog.text
    caplog.clear()
    run_import("open_stt", corpus, corpus / "m.parquet", "--only", "radio_2", "--keep-validation-texts")
    assert not caplog.text


def test_validation_sets_and_tables_are_chosen_by_either_name(corpus: Path) -> None:
    assert texts(run_import("open_stt", corpus, corpus / "v.parquet", "--split", "validation")) == ["да"]
    named = run_import("open_stt", corpus, corpus / "b.parquet", "--only", "audiobook_2", "--keep-validation-texts")
    assert texts(named) == ["он ушёл", "да"]
    file = run_import("open_stt", corpus / "manifests" / "radio_2.csv", corpus / "r.parquet")
    assert texts(file) == ["новости", "погода"]
    assert len(run_import("open_stt", corpus, corpus / "a.parquet", "--split", "all", "--keep-validation-texts")) == 5


def test_excluded_utterances_match_whatever_their_extension_and_root(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = (corpus / "manifests" / "radio_2.csv").read_text().splitlines()[0].split(",")[0]
    excluded = f"../old/{first.replace('.opus', '.wav')}"
    (corpus / "exclude.csv").write_text(f"wav,dataset\n{excluded},radio_2\n/tmp/other.wav,radio_2\n")
    options = ("--exclude", str(corpus / "exclude.csv"), "--only", "radio_2", "--skip-bad")
    manifest = run_import("open_stt", corpus, corpus / "m.parquet", *options)
    assert texts(manifest) == ["погода"]
    said = capsys.readouterr().out
    assert "excluded: in a list of excluded utterances: 1 rows" in said
    assert "exclude.csv:3" in said


def test_bad_rows_are_listed_with_their_lines(corpus: Path, fails: Callable[..., str]) -> None:
    good = utterance(corpus, "public_series_1", "ага")
    lines = [
        good,
        good.replace("1.0", "long"),
        "a,b",
        utterance(corpus, "public_series_1", None),
        utterance(corpus, "public_series_1", "a").replace("public_series_1", "public_series_2"),
    ]
    path = table(corpus, "public_series_1", lines)
    said = fails(main, ["corpus", "import", "open_stt", str(path), "--out", str(corpus / "m.parquet")])
    assert "4 of 5 rows are bad" in said
    for line in (2, 3, 4, 5):
        assert f"public_series_1.csv:{line}" in said
    assert len(run_import("open_stt", path, corpus / "m.parquet", "--skip-bad")) == 1


def test_tables_and_domains_are_an_editable_list(corpus: Path, fails: Callable[..., str]) -> None:
    unknown = table(corpus, "mine", [utterance(corpus, "mine", "привет")])
    command = ["corpus", "import", "open_stt", str(unknown), "--out", str(corpus / "m.parquet")]
    assert "the table is not in the list of domains" in fails(main, command)
    (corpus / "domains.csv").write_text("table,name,domain,split\nmine,mine,studio,train\n")
    manifest = run_import("open_stt", unknown, corpus / "m.parquet", "--domains", str(corpus / "domains.csv"))
    assert manifest.domains == ["studio"]
    (corpus / "domains.csv").write_text("table,name,domain,split\nmine,mine,studio,test\n")
    assert "domains.csv:2" in fails(main, [*command, "--domains", str(corpus / "domains.csv")])


def test_a_table_that_differs_from_its_sum_is_refused(corpus: Path, fails: Callable[..., str]) -> None:
    path = corpus / "manifests" / "radio_2.csv"
    sums = corpus / "md5sum.lst"
    sums.write_text(f"{hashlib.md5(path.read_bytes()).hexdigest()} manifests/radio_2.csv\n")
    command = ["--only", "radio_2", "--md5", str(sums)]
    assert len(run_import("open_stt", corpus, corpus / "m.parquet", *command)) == 2
    path.write_text(path.read_text() + "\n")
    output = ["--out", str(corpus / "m.parquet")]
    assert "download the table again" in fails(main, ["corpus", "import", "open_stt", str(corpus), *output, *command])


def test_all_tables_of_the_release_have_a_domain() -> None:
    tables = read_tables()
    assert len(tables) == 19
    assert sum(table.split == "validation" for table in tables.values()) == 3
    assert next(iter(rows.__kwdefaults__)) == "split"


def test_several_tables_are_named_by_repeating_the_option(corpus: Path) -> None:
    both = ("--only", "radio_2", "--only", "audiobook_2", "--normalizer", "russian-1")
    assert len(run_import("open_stt", corpus, corpus / "m.parquet", *both)) == 3
