from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stt.corpus.manifest import read_manifest
from stt.data.batch import Batch
from stt.data.dataset import UtteranceDataset
from stt.data.loader import StreamLoader, evaluation_loader, loader_options, prefetch_options, sorted_batches
from stt.data.utterances import utterances_of
from stt.errors import InputError
from stt.sampling import BatchStream, UniformSampler
from stt.sampling.stream import LAG
from tests.conftest import StandIn


@pytest.fixture
def dataset(tones: Path, tokenizer_file: Path) -> UtteranceDataset:
    return UtteranceDataset(read_manifest(tones), StandIn(tokenizer_file), training=True)


def fingerprint(batch: Batch) -> tuple[int, list[int], float]:
    return batch.number, batch.rows, float(batch.waveforms.abs().sum())


def loader(dataset: UtteranceDataset, num_workers: int, batches_per_epoch: int, state: Any = None) -> StreamLoader:
    sampler = UniformSampler()
    utterances = utterances_of(dataset.manifest)
    sampler.start(utterances, seed=0)
    stream = BatchStream(sampler, utterances, np.full(2, 0.5), 12.0, strength=0.9)
    stream_loader = StreamLoader(dataset, stream, batches_per_epoch, **loader_options(num_workers))
    if state:
        stream.load_state_dict(state[0])
        stream_loader.load_state_dict(state[1])
    return stream_loader


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("stop", [1, 7, 10, 13])
def test_a_restored_loader_yields_exactly_the_remaining_batches(
    dataset: UtteranceDataset, num_workers: int, stop: int
) -> None:
    uninterrupted = loader(dataset, num_workers, 10)
    expected = [fingerprint(batch) for _ in range(2) for batch in uninterrupted]
    first, seen = loader(dataset, num_workers, 10), []
    while len(seen) < stop:
        for batch in first:
            seen.append(fingerprint(batch))
            if len(seen) == stop:
                state = (first.stream.state_dict(), first.state_dict())
                break
    second = loader(dataset, num_workers, 10, state)
    rest = list(second)
    assert len(rest) == 10 - stop % 10, "the rest of the epoch"
    seen += [fingerprint(batch) for batch in rest]
    while len(seen) < 20:
        seen += [fingerprint(batch) for batch in second]
    assert seen == expected


@pytest.mark.parametrize("num_workers", [0, 2])
def test_the_length_of_an_epoch_does_not_affect_the_batches(dataset: UtteranceDataset, num_workers: int) -> None:
    runs = [
        [
            fingerprint(batch)
            for epoch_loader in [loader(dataset, num_workers, length)]
            for _ in range(24 // length)
            for batch in epoch_loader
        ]
        for length in (3, 8, 24)
    ]
    assert runs[0] == runs[1] == runs[2]
    assert [number for number, *_ in runs[0]] == list(range(24))


def test_an_interrupted_epoch_is_followed_by_a_full_one(dataset: UtteranceDataset) -> None:
    stream_loader = loader(dataset, 0, 5)
    assert [next(iter(stream_loader)).number, *(batch.number for batch in stream_loader)] == [0, 1, 2, 3, 4, 5]


def test_prefetching_is_limited_by_feedback() -> None:
    assert prefetch_options(0, True) == {}
    for workers in range(1, LAG):
        assert workers * prefetch_options(workers, True)["prefetch_factor"] < LAG
    with pytest.raises(InputError, match=f"num_workers {LAG}"):
        prefetch_options(LAG, True)
    assert prefetch_options(64, False) == {"prefetch_factor": 2}


def test_evaluation_loads_every_row_once_across_ranks(dataset: UtteranceDataset) -> None:
    options = loader_options(0)
    rows = [
        row for rank in range(3) for batch in evaluation_loader(dataset, 8.0, rank, 3, **options) for row in batch.rows
    ]
    assert sorted(rows) == list(range(120))


def test_evaluation_batches_stay_within_their_budget_unless_a_single_utterance_exceeds_it() -> None:
    durations = np.array([1, 2, 3, 50, 2, 1, 4], np.float32)
    batches = sorted_batches(durations, 8.0)
    for rows in batches:
        assert len(rows) == 1 or durations[rows].max() * len(rows) <= 8.0
    assert sorted(np.concatenate(batches)) == list(range(7))
