from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from stt.corpus.manifest import read_manifest
from stt.data.batch import Batch, Drawn
from stt.data.dataset import UtteranceDataset
from stt.data.loader import RoundBatches, RoundLoader, evaluation_loader, loader_options, sorted_batches
from tests.conftest import StandIn


@pytest.fixture
def dataset(tones: Path, tokenizer_file: Path) -> UtteranceDataset:
    return UtteranceDataset(read_manifest(tones), StandIn(tokenizer_file), training=True)


def plan(round_index: int) -> Iterator[list[Drawn]]:
    for rows in np.random.default_rng(round_index).permutation(40).reshape(10, 4).tolist():
        yield [Drawn(row, 0.9, (round_index, row)) for row in rows]


def fingerprint(batch: Batch) -> tuple[list[int], float]:
    return batch.rows, float(batch.waveforms.abs().sum())


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("stop", [1, 7, 10, 13])
def test_a_restored_loader_goes_on_with_exactly_the_batches_that_were_left(
    dataset: UtteranceDataset, num_workers: int, stop: int
) -> None:
    def loader() -> RoundLoader:
        return RoundLoader(dataset, RoundBatches(plan, 10), **loader_options(num_workers))

    whole = loader()
    expected = [fingerprint(batch) for _ in range(2) for batch in whole]
    first, seen = loader(), []
    while len(seen) < stop:
        for batch in first:
            seen.append(fingerprint(batch))
            if len(seen) == stop:
                state = first.state_dict()
                break
    second = loader()
    second.load_state_dict(state)
    while len(seen) < 20:
        seen += [fingerprint(batch) for batch in second]
    assert seen == expected


def test_evaluation_gives_every_row_once_over_all_ranks(dataset: UtteranceDataset) -> None:
    options = loader_options(0)
    rows = [
        row for rank in range(3) for batch in evaluation_loader(dataset, 8.0, rank, 3, **options) for row in batch.rows
    ]
    assert sorted(rows) == list(range(120))


def test_evaluation_batches_stay_within_their_budget_unless_one_utterance_is_longer() -> None:
    durations = np.array([1, 2, 3, 50, 2, 1, 4], np.float32)
    batches = sorted_batches(durations, 8.0)
    for rows in batches:
        assert len(rows) == 1 or durations[rows].max() * len(rows) <= 8.0
    assert sorted(np.concatenate(batches)) == list(range(7))
