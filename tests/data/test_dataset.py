import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from stt.corpus.manifest import read_manifest
from stt.data.batch import LeftOut, Utterance, collate
from stt.data.dataset import UtteranceDataset
from stt.text.normalize import get_normalizer
from stt.text.tokenizer import Tokenizer


def dataset(folder: Path, tokenizer_file: Path, training: bool, **row: object) -> UtteranceDataset:
    soundfile.write(folder / "1.wav", np.zeros(8000, np.float32), 8000)
    line = {"audio": "1.wav", "text": "ab c", "duration": 1.0, "domain": "d", **row}
    (folder / "m.jsonl").write_text(json.dumps(line))
    manifest = read_manifest(folder / "m.jsonl")
    return UtteranceDataset(manifest, Tokenizer.load(tokenizer_file), get_normalizer("plain-1"), 8000, training)


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"audio": "none.wav"}, "unreadable audio"),
        ({"duration": 3.0}, "wrong duration"),
        ({"duration": 0.2}, "wrong duration"),
        ({"text": "ab xyz"}, "unusable text"),
        ({"text": "?!"}, "unusable text"),
        ({"text": "ab %"}, "unusable text"),
        ({"offset": 0.5, "duration": 2.0}, "unreadable audio"),
    ],
)
def test_in_training_what_cannot_be_used_comes_back_as_left_out(
    tmp_path: Path, tokenizer_file: Path, row: dict[str, object], kind: str
) -> None:
    item = dataset(tmp_path, tokenizer_file, training=True, **row)[0]
    assert isinstance(item, LeftOut)
    assert item.kind == kind
    assert item.name.startswith(str(row.get("audio", "1.wav")))


@pytest.mark.parametrize("row", [{"duration": 0.2}, {"text": "ab xyz"}, {"text": ""}])
def test_in_evaluation_every_readable_utterance_stays(
    tmp_path: Path, tokenizer_file: Path, row: dict[str, object]
) -> None:
    item = dataset(tmp_path, tokenizer_file, training=False, **row)[0]
    assert isinstance(item, Utterance)
    assert item.reference == row.get("text", "ab c")


def test_texts_are_normalized_unless_the_manifest_says_they_are(tmp_path: Path, tokenizer_file: Path) -> None:
    item = dataset(tmp_path, tokenizer_file, training=True, text="Ab, C!")[0]
    assert isinstance(item, Utterance)
    assert item.reference == "ab c"


def test_a_batch_is_padded_with_zeros_and_carries_what_was_left_out() -> None:
    items = [
        Utterance(3, "a", "x", 0.1, np.ones(5, np.float32), "r", [1, 1]),
        LeftOut(4, "b", "unreadable audio", "why"),
        Utterance(5, "c", "y", 0.2, np.ones(9, np.float32), "s", [2, 1, 2]),
    ]
    batch = collate(items)
    assert batch.waveforms.sum(dim=1).tolist() == batch.lengths.tolist() == [5, 9]
    assert batch.frames_needed.tolist() == [3, 3]
    assert (batch.rows, batch.names, batch.domains) == ([3, 5], ["a", "c"], ["x", "y"])
    assert [item.row for item in batch.left_out] == [4]


def test_a_batch_with_nothing_left_is_silence_that_belongs_to_no_row() -> None:
    batch = collate([LeftOut(1, "b", "k", "r")])
    assert len(batch) == 0
    assert batch.waveforms.shape[0] == 1
    assert batch.token_lengths.tolist() == [0]


def test_a_batch_moves_as_a_whole() -> None:
    batch = collate([Utterance(3, "a", "x", 0.1, np.ones(5, np.float32), "r", [1])]).to("meta")
    assert {batch.waveforms.device, batch.tokens.device, batch.frames_needed.device} == {torch.device("meta")}
