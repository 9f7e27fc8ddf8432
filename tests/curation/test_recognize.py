import itertools
import json
import math
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import stt
from stt.cli.main import main
from stt.corpus.manifest import read_manifest
from stt.curation.recognize import WORST_SCORE, Model, RecognizedRow, recognize
from stt.data.batch import Skipped
from stt.decoding.decoder import Decoder
from stt.decoding.words import Word
from stt.registry import import_packages
from tests.conftest import RATE, write_corpus


@pytest.fixture(scope="module")
def model(trained: Path) -> Model:
    return Model(trained / "checkpoints" / "best.ckpt")


def recognized(model: Model, manifest: Path) -> dict[int, RecognizedRow | Skipped]:
    batches = recognize(*model.load(), read_manifest(manifest))
    rows = list(itertools.chain.from_iterable(batches))
    assert len({one.row for one in rows}) == len(rows)
    return {one.row: one for one in rows}


def test_every_row_is_recognized_once_as_evaluation_recognizes_it(model: Model, tmp_path: Path) -> None:
    manifest = write_corpus(tmp_path, 12, seed=7)
    expected = {one.row - 1: one for one in stt.evaluate(model.load()[0], manifest).recognized}
    found = recognized(model, manifest)
    assert found.keys() == expected.keys()
    for row, one in found.items():
        assert isinstance(one, RecognizedRow)
        assert (one.reference, one.hypothesis) == (expected[row].reference, expected[row].hypothesis)
        assert one.cer == expected[row].cer


def test_the_own_text_is_likelier_than_that_of_another_row(model: Model, tmp_path: Path) -> None:
    found = recognized(model, write_corpus(tmp_path, 12, seed=7)).values()
    rows = [one for one in found if isinstance(one, RecognizedRow)]
    assert len(rows) == 12
    for one, other in zip(rows, rows[1:] + rows[:1], strict=True):
        if one.reference != other.reference:
            assert one.loss < one.loss_of(other.reference)
        if one.hypothesis == one.reference:
            assert one.score == -one.loss
            assert -1 < one.score <= 0
    assert math.isnan(one.loss_of(""))
    assert math.isnan(one.loss_of("ы"))
    assert one.loss_of("a b c d e " * 100) == math.inf


def test_rows_that_cannot_be_read_say_why_and_rows_without_a_text_are_recognized(model: Model, tmp_path: Path) -> None:
    write_corpus(tmp_path, 6, seed=7)
    lines = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    (tmp_path / "0.wav").write_bytes(b"broken")
    lines[1]["duration"] = 50.0
    soundfile.write(tmp_path / "2.wav", np.zeros(RATE * 121), RATE)
    lines[2]["duration"] = 121.0
    lines[3]["text"] = ""
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = recognized(model, tmp_path / "manifest.jsonl")
    assert len(found) == 6
    kinds = [one.kind for one in (found[0], found[1], found[2]) if isinstance(one, Skipped)]
    assert kinds == ["unreadable audio", "wrong duration", "long audio"]
    untold = found[3]
    assert isinstance(untold, RecognizedRow)
    assert untold.hypothesis
    assert math.isnan(untold.cer)


def test_a_process_loads_a_model_once(model: Model) -> None:
    assert model.fingerprint
    assert pickle.loads(pickle.dumps(model)).load()[0] is model.load()[0]


def test_a_process_imports_the_packages_of_the_command(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_encoders.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("stt.registry._packages", {})
    import_packages(["my_encoders"])
    sent = pickle.dumps(Model(model.path))
    monkeypatch.delitem(sys.modules, "my_encoders")
    pickle.loads(sent).load()
    assert "my_encoders" in sys.modules


class Rewriting(Decoder):
    """Writes what cannot be spelled, or more than can be said."""

    def __init__(self, text: str) -> None:
        self._text = text

    def words(self, log_probs: np.ndarray, frame_seconds: float, start: float = 0.0) -> list[Word]:
        return [Word(word, start, start + 0.1, 1.0) for word in self._text.split()]


@pytest.mark.parametrize("text", ["привет", "a b c d e " * 100])
def test_a_text_that_cannot_have_been_said_has_the_worst_score(model: Model, tmp_path: Path, text: str) -> None:
    manifest = read_manifest(write_corpus(tmp_path, 2, seed=7))
    for batch in recognize(model.load()[0], Rewriting(text), manifest):
        assert {one.score for one in batch if isinstance(one, RecognizedRow)} == {WORST_SCORE}


@pytest.mark.slow
def test_an_export_recognizes_what_its_checkpoint_does(model: Model, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    with pytest.raises(SystemExit) as stopped:
        main(["export", str(model.path), str(tmp_path / "export")])
    assert stopped.value.code == 0
    manifest = write_corpus(tmp_path / "corpus", 12, seed=7)
    expected, found = recognized(model, manifest), recognized(Model(tmp_path / "export"), manifest)
    for row, one in expected.items():
        other = found[row]
        assert isinstance(one, RecognizedRow)
        assert isinstance(other, RecognizedRow)
        assert one.hypothesis == other.hypothesis
        assert one.score == pytest.approx(other.score, abs=1e-3)
