"""Cleaning by what a recognizer hears, and by what a training suspects."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import stt.curation.clean.sound
from stt.corpus.manifest import Manifest, read_manifest
from stt.corpus.provenance import read_step
from stt.corpus.rejection import rejected_path
from stt.curation.steps.clean import run
from stt.errors import InputError
from stt.recognition.recognizer import Recognizer
from tests.conftest import write_corpus
from tests.corpus.engines import Threads

WRONG = [3, 8, 12, 17, 21, 26]


@pytest.fixture(scope="module")
def ckpt(trained: Path) -> Path:
    return trained / "checkpoints" / "best.ckpt"


@pytest.fixture
def spoiled(tmp_path: Path) -> Path:
    """A corpus in which a fifth of the utterances have texts of others, some only a letter or part of the text."""
    path = write_corpus(tmp_path / "corpus", 30, seed=11)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    texts = [lines[row]["text"] for row in WRONG]
    for row, text in zip(WRONG, [*texts[1:], texts[0]], strict=True):
        assert lines[row]["text"] != text
        lines[row]["text"] = text
    path.write_text("".join(json.dumps({**line, "id": f"u{i:02d}"}) + "\n" for i, line in enumerate(lines)))
    return path


def clean(manifest: Path, **options: object) -> tuple[Manifest, Manifest]:
    out = manifest.parent / "kept.parquet"
    assert run(read_manifest(manifest), out=out, engine=Threads(), **options) is not None  # type: ignore[arg-type]
    return read_manifest(out), read_manifest(rejected_path(out))


def ids(manifest: Manifest) -> list[str]:
    return list(manifest.table["id"].to_pylist())


def test_texts_of_other_utterances_are_rejected_and_what_is_heard_is_told(
    spoiled: Path, ckpt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    read = stt.curation.clean.sound.read_native
    monkeypatch.setattr("stt.curation.clean.sound.read_native", lambda *args: reads.append(args) or read(*args))
    kept, rejected = clean(spoiled, ckpt=ckpt, off=["rate"])
    assert len(reads) == 30  # once
    assert ids(rejected) == [f"u{row:02d}" for row in WRONG]
    original = {
        row["audio"]: row["text"] for row in map(json.loads, write_corpus(spoiled.parent / "o", 30, seed=11).open())
    }
    for row in rejected.table.to_pylist():
        assert row["rule"] == "label_error"
        assert row["figure"] > row["limit"] == 0.55
        assert row["hypothesis"] == original[row["audio"]]
        assert 0 < row["cer"] <= 1
    assert max(kept.table["cer"].to_pylist()) < 0.3
    assert "hypothesis" not in kept.table.column_names
    step = read_step(kept.path)
    assert step is not None
    assert step.options["ckpt"].startswith("best.ckpt ")


def test_a_cer_can_be_the_limit_instead(spoiled: Path, ckpt: Path) -> None:
    _, rejected = clean(spoiled, ckpt=ckpt, max_cer=0.3, off=["rate", "label_error"])
    assert {(row["rule"], row["limit"]) for row in rejected.table.to_pylist()} == {("cer", 0.3)}
    assert ids(rejected) == [f"u{row:02d}" for row in WRONG]


def test_labels_are_not_judged_by_a_recognizer_that_hears_too_little(spoiled: Path, ckpt: Path) -> None:
    lines = [json.loads(line) for line in spoiled.read_text().splitlines()]
    for i, line in enumerate(lines):
        if line["domain"] == "low":
            line["text"] = lines[(i + 8) % 30]["text"]
    spoiled.write_text("".join(json.dumps(line) + "\n" for line in lines))
    kept, rejected = clean(spoiled, ckpt=ckpt, off=["rate"])
    assert set(rejected.table["domain"].to_pylist()) == {"high"}
    step = read_step(kept.path)
    assert step is not None
    assert "hears too little (a median CER above 0.3): low (median CER" in step.notes["rule label_error"]


def test_a_measured_cer_replaces_that_of_the_manifest_where_there_is_a_text(spoiled: Path, ckpt: Path) -> None:
    lines = [json.loads(line) | {"cer": 0.77} for line in spoiled.read_text().splitlines()]
    lines[0]["text"] = ""
    spoiled.write_text("".join(json.dumps(line) + "\n" for line in lines))
    kept, rejected = clean(spoiled, ckpt=ckpt)
    cers = {row["id"]: row["cer"] for one in (kept, rejected) for row in one.table.to_pylist()}
    assert cers.pop("u00") == pytest.approx(0.77)  # no text, no CER
    assert 0.77 not in np.round(list(cers.values()), 3)


@pytest.fixture
def suspicious(steered: Path, tones: Path, tmp_path: Path) -> Path:
    """A run that suspects three utterances of the tones."""
    content = torch.load(steered / "checkpoints" / "last.ckpt", weights_only=True)
    state = content["SpeechDataModule"]["stream"]["sampler"]
    state["label_errors"][:] = False
    state["label_errors"][[4, 9, 33]] = True
    state["ledger"]["label_score"][[4, 9, 33]] = torch.tensor([0.7, 0.9, 0.8], dtype=torch.float16)
    state["ledger"]["label_observations"][[4, 9, 33]] = 5
    state["hypotheses"] = {"rows": torch.tensor([9]), "texts": ["a bad cab"]}
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    torch.save(content, tmp_path / "run" / "checkpoints" / "last.ckpt")
    return tmp_path / "run"


def test_suspects_of_a_training_are_rejected_wherever_they_are_now(
    suspicious: Path, tones: Path, tmp_path: Path
) -> None:
    table = read_manifest(tones).table.to_pylist()
    for row in table:
        row["audio"] = str(tones.parent / row["audio"])
    table[33]["text"] = "corrected"
    keys = ("id", "audio", "text", "duration", "domain")
    lines = [json.dumps({key: row[key] for key in keys}) + "\n" for row in reversed(table[2:])]
    (tmp_path / "m.jsonl").write_text("".join(lines))
    _, rejected = clean(tmp_path / "m.jsonl", run=suspicious)
    rows = rejected.table.to_pylist()
    assert [row["id"] for row in rows] == [table[9]["id"], table[4]["id"]]
    assert [row["rule"] for row in rows] == ["run", "run"]
    assert [row["figure"] for row in rows] == pytest.approx([0.9, 0.7], abs=1e-3)
    assert [row["limit"] for row in rows] == pytest.approx([0.67, 0.67])
    assert [row["hypothesis"] for row in rows] == ["a bad cab", None]


def test_a_file_without_a_curriculum_and_a_wrong_name_are_refused(ckpt: Path, tones: Path, tmp_path: Path) -> None:
    Recognizer.load(ckpt).save(tmp_path / "saved.ckpt")
    for wrong, said in (
        (tmp_path, "neither a checkpoint nor a run folder"),
        (tmp_path / "saved.ckpt", "no curriculum"),
    ):
        with pytest.raises(InputError, match=said):
            run(read_manifest(tones), out=tmp_path / "o.parquet", engine=Threads(), run=wrong)
