import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from stt.corpus.manifest import read_manifest
from stt.data.batch import Skipped, Utterance, collate
from stt.data.dataset import UtteranceDataset
from stt.sampling.base import SampledRow
from tests.conftest import StandIn


def dataset(folder: Path, tokenizer_file: Path, training: bool, sound: bool = True, **row: object) -> UtteranceDataset:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 8000)
    soundfile.write(folder / "1.wav", noise if sound else np.zeros(8000), 8000)
    line = {"audio": "1.wav", "text": "ab c", "duration": 1.0, "domain": "d", **row}
    (folder / "m.jsonl").write_text(json.dumps(line))
    manifest = read_manifest(folder / "m.jsonl")
    return UtteranceDataset(manifest, StandIn(tokenizer_file), training)


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
def test_in_training_unusable_utterances_are_returned_as_skipped(
    tmp_path: Path, tokenizer_file: Path, row: dict[str, object], kind: str
) -> None:
    item = dataset(tmp_path, tokenizer_file, training=True, **row)[0]
    assert isinstance(item, Skipped)
    assert item.kind == kind
    assert item.name.startswith(str(row.get("audio", "1.wav")))
    assert kind != "unreadable audio" or item.reason.startswith(f"{tmp_path / 'm.jsonl'}: row 1: ")


def test_an_utterance_is_read_from_a_byte_span(tmp_path: Path, tokenizer_file: Path) -> None:
    soundfile.write(tmp_path / "1.flac", np.random.default_rng(0).uniform(-0.5, 0.5, 8000), 8000)
    content = (tmp_path / "1.flac").read_bytes()
    (tmp_path / "shard.tar").write_bytes(b"other" + content + b"more")
    whole = dataset(tmp_path, tokenizer_file, training=True, audio="1.flac")[0]
    span = {"audio": "shard.tar", "byte_offset": 5, "byte_length": len(content)}
    item = dataset(tmp_path, tokenizer_file, training=True, **span)[0]
    assert isinstance(whole, Utterance)
    assert isinstance(item, Utterance)
    np.testing.assert_array_equal(item.waveform, whole.waveform)
    assert item.name == "shard.tar at byte 5"


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("sound", "duration", "kind"),
    [(True, 0.2, "wrong duration"), (True, 3.0, "wrong duration"), (False, 1.0, "silence")],
)
def test_audio_that_is_not_that_of_the_manifest_is_skipped_with_file_and_row(
    tmp_path: Path, tokenizer_file: Path, training: bool, sound: bool, duration: float, kind: str
) -> None:
    item = dataset(tmp_path, tokenizer_file, training, sound, duration=duration)[0]
    assert isinstance(item, Skipped)
    assert (item.name, item.domain, item.kind) == ("1.wav", "d", kind)
    assert item.reason.startswith(f"{tmp_path / 'm.jsonl'}: row 1: {tmp_path / '1.wav'}: ")


def test_silence_without_a_text_is_an_utterance_to_evaluate(tmp_path: Path, tokenizer_file: Path) -> None:
    assert isinstance(dataset(tmp_path, tokenizer_file, training=False, sound=False, text="")[0], Utterance)


@pytest.mark.parametrize("row", [{"text": "ab xyz"}, {"text": ""}])
def test_in_evaluation_every_text_is_kept(tmp_path: Path, tokenizer_file: Path, row: dict[str, object]) -> None:
    item = dataset(tmp_path, tokenizer_file, training=False, **row)[0]
    assert isinstance(item, Utterance)
    assert item.reference == row.get("text", "ab c")


def test_texts_are_normalized_unless_the_manifest_already_is(tmp_path: Path, tokenizer_file: Path) -> None:
    item = dataset(tmp_path, tokenizer_file, training=True, text="Ab, C!")[0]
    assert isinstance(item, Utterance)
    assert item.reference == "ab c"


def test_a_batch_is_padded_with_zeros_and_includes_the_skipped_utterances() -> None:
    items = [
        Utterance(3, "a", "x", 0.1, np.ones(5, np.float32), "r", [1, 1]),
        Skipped(4, "b", "x", "unreadable audio", "why"),
        Utterance(5, "c", "y", 0.2, np.ones(9, np.float32), "s", [2, 1, 2]),
    ]
    batch = collate(items)
    assert batch.waveforms.sum(dim=1).tolist() == batch.lengths.tolist() == [5, 9]
    assert batch.frames_needed.tolist() == [3, 3]
    assert (batch.rows, batch.names, batch.domains) == ([3, 5], ["a", "c"], ["x", "y"])
    assert [item.row for item in batch.skipped] == [4]


def test_a_batch_of_only_skipped_utterances_is_silence_without_a_row() -> None:
    batch = collate([Skipped(1, "b", "x", "k", "r")])
    assert len(batch) == 0
    assert batch.waveforms.shape[0] == 1
    assert batch.token_lengths.tolist() == [0]


def test_lengths_for_ctc_stay_on_the_host() -> None:
    batch = collate([Utterance(3, "a", "x", 0.1, np.ones(5, np.float32), "r", [1])]).to("meta")
    assert {batch.waveforms.device, batch.lengths.device, batch.tokens.device} == {torch.device("meta")}
    assert (batch.host_lengths.item(), batch.token_lengths.item(), batch.frames_needed.item()) == (5, 1, 1)


def test_a_sampled_utterance_is_augmented_identically_for_the_same_seed(tmp_path: Path, tokenizer_file: Path) -> None:
    data = dataset(tmp_path, tokenizer_file, training=True)
    soundfile.write(tmp_path / "1.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 8000), 8000)
    plain = data[0]
    assert isinstance(plain, Utterance)
    assert plain.strength == 0
    items = [data[SampledRow(0, 1.0, (0, seed), (0, seed))] for seed in (1, 1, 2)]
    first, again, other = (item.waveform for item in items if isinstance(item, Utterance))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)
    assert isinstance(items[0], Utterance)
    assert items[0].seconds == len(first) / 8000
    assert collate(items).strengths.tolist() == [1.0] * 3


def test_speed_is_limited_by_what_ctc_can_align(tmp_path: Path, tokenizer_file: Path) -> None:
    data = dataset(tmp_path, tokenizer_file, training=True, text="a" * 5)  # 9 frames of 80 ms at least, in 1 s
    for seed in range(20):
        item = data[SampledRow(0, 1.0, (seed,), (seed,))]
        assert isinstance(item, Utterance)
        assert item.seconds >= 0.8
