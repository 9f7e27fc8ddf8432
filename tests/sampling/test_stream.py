import itertools
import re
import threading
from collections import deque
from collections.abc import Iterator

import numpy as np
import pytest

from stt.errors import InputError
from stt.sampling import BatchStream, CurriculumSampler, Sampler, UniformSampler
from stt.sampling.base import SampledRow
from stt.sampling.batches import MAX_PADDING_SHARE, padding_share
from stt.sampling.observations import Observations
from stt.sampling.stream import LAG
from stt.training.state import to_arrays, to_tensors
from tests.sampling.corpora import corpus, count_batch_mates, make_observations

SIZES = {"a": 900, "b": 700, "small": 40}
Batches = list[list[SampledRow]]


def stream_over(
    sampler: Sampler, sizes: dict[str, int] = SIZES, *, rank: int = 0, num_ranks: int = 1, seconds: float = 40.0
) -> BatchStream:
    utterances = corpus(sizes)
    sampler.start(utterances, seed=0)
    shares = np.full(len(sizes), 1 / len(sizes))
    return BatchStream(sampler, utterances, shares, seconds, strength=0.3, seed=0, rank=rank, num_ranks=num_ranks)


def observe(batch: list[SampledRow], number: int, rank: int = 0) -> Observations:
    """Observe a batch: CERs that fall during training and never repeat."""
    rows = np.array([row.row for row in batch])
    rng = np.random.default_rng((number, rank))
    return make_observations(rows, rng.random(len(rows)) * 30 / (30 + number), float(rng.random()) ** 2)


class Training:
    """Consumes batches like a loader that prefetches some, and observes them."""

    def __init__(self, stream: BatchStream, ahead: int = 0) -> None:
        self.stream = stream
        self.ahead = ahead
        self._source: Iterator[list[SampledRow]] | None = None
        self._queue: deque[list[SampledRow]] = deque()

    def train(self, count: int) -> Batches:
        taken = []
        self._source = self._source or self.stream.batches()
        while len(self._queue) < self.ahead:
            self._queue.append(next(self._source))
        for _ in range(count):
            self._queue.append(next(self._source))
            batch, number = self._queue.popleft(), self.stream.consumed
            self.stream.consumed += 1
            observations = observe(batch, number, self.stream.rank)
            self.stream.observe(number, lambda observations=observations: observations)
            taken.append(batch)
        return taken


def saved(stream: BatchStream) -> dict:
    return to_arrays(to_tensors(stream.state_dict()))


@pytest.mark.parametrize("kind", [UniformSampler, CurriculumSampler])
def test_prefetching_does_not_change_the_batches(kind: type[Sampler]) -> None:
    batches = [Training(stream_over(kind()), ahead).train(150) for ahead in (0, 7, LAG - 1)]
    assert batches[0] == batches[1] == batches[2]


@pytest.mark.parametrize("kind", [UniformSampler, CurriculumSampler])
@pytest.mark.parametrize("stop", [1, LAG - 1, LAG, 53, 90])
def test_a_stream_resumes_with_the_remaining_batches_wherever_it_was_stopped(kind: type[Sampler], stop: int) -> None:
    whole = stream_over(kind())
    expected = Training(whole).train(160)
    first, second = stream_over(kind()), stream_over(kind())
    start = Training(first, ahead=5).train(stop)
    second.load_state_dict(saved(first))
    assert start + Training(second, ahead=3).train(160 - stop) == expected
    for key, value in saved(whole)["sampler"].items():
        np.testing.assert_equal(saved(second)["sampler"][key], value)


def test_saving_does_not_change_the_batches() -> None:
    stream, training = stream_over(CurriculumSampler()), None
    training = Training(stream)
    batches = []
    for _ in range(150):
        batches += training.train(1)
        stream.state_dict()
    assert batches == Training(stream_over(CurriculumSampler())).train(150)


@pytest.mark.parametrize("kind", [UniformSampler, CurriculumSampler])
def test_domains_are_balanced_and_no_batch_contains_an_utterance_twice(kind: type[Sampler]) -> None:
    stream = stream_over(kind(), {"a": 900, "b": 700, "c": 650})
    batches = Training(stream).train(300)
    assert all(len({row.row for row in batch}) == len(batch) for batch in batches)
    rows = np.array([row.row for batch in batches for row in batch])
    counts = np.bincount(stream.utterances.domain[rows])
    assert counts.max() / counts.min() < 1.1


@pytest.mark.parametrize("kind", [UniformSampler, CurriculumSampler])
def test_a_domain_of_a_few_utterances_gets_its_share(kind: type[Sampler]) -> None:
    stream = stream_over(kind(), {"a": 900, "few": 30})
    batches = Training(stream).train(400)
    rows = np.array([row.row for batch in batches for row in batch])
    assert (rows >= 900).mean() == pytest.approx(0.5, abs=0.01)
    copies = np.bincount(rows[rows >= 900] - 900)
    assert copies.max() < 1.25 * copies.min()


def test_uniform_sampling_takes_every_utterance_of_a_domain_once_per_pass() -> None:
    stream = stream_over(UniformSampler(), {"a": 900, "b": 700})
    batches = Training(stream).train(300)
    rows = [row.row for batch in batches[: stream.windows[-1].start] for row in batch]
    counts = np.bincount(rows)
    for domain in stream.utterances.rows_by_domain:
        assert counts[domain].max() - counts[domain].min() <= 1


def test_batches_vary_between_passes_nearly_as_much_as_random_ones() -> None:
    stream = stream_over(UniformSampler(), {"a": 900, "b": 700, "c": 900})
    batches = [np.array([row.row for row in batch]) for batch in Training(stream).train(2000)]
    cuts = np.cumsum([len(rows) for rows in batches])[:-1]
    shuffled = np.split(np.random.default_rng(0).permutation(np.concatenate(batches)), cuts)
    met, by_chance = (count_batch_mates(parts) for parts in (batches, shuffled))
    assert met > 0.7 * by_chance
    assert padding_share(batches, stream.utterances.durations) <= 1.02 * MAX_PADDING_SHARE


def test_missing_feedback_raises_an_error_that_names_the_callback() -> None:
    batches = stream_over(CurriculumSampler()).batches()
    with pytest.raises(RuntimeError, match="CurriculumFeedback is missing"):
        deque(itertools.islice(batches, 200))


def test_prefetching_more_than_the_feedback_lag_raises() -> None:
    with pytest.raises(RuntimeError, match=f"more than {LAG - 1} batches are prefetched"):
        Training(stream_over(CurriculumSampler()), ahead=3 * LAG).train(100)


def test_a_second_observer_raises() -> None:
    stream = stream_over(CurriculumSampler())
    Training(stream).train(3)
    with pytest.raises(RuntimeError, match="exactly one callback"):
        stream.observe(2, Observations.empty)


def test_uniform_sampling_needs_no_feedback_and_keeps_few_windows() -> None:
    stream = stream_over(UniformSampler())
    expected = Training(stream_over(UniformSampler())).train(400)
    batches = stream.batches()
    for batch in expected:
        assert [one.row for one in next(batches)] == [one.row for one in batch]
        stream.consumed += 1
    assert len(stream.windows) < 5


def test_observations_are_read_when_the_next_batch_is_observed() -> None:
    stream, read = stream_over(UniformSampler()), []
    next(stream.batches())

    def later(number: int) -> Observations:
        read.append(number)
        return Observations.empty()

    stream.observe(0, lambda: later(0))
    assert not read
    stream.observe(1, lambda: later(1))
    assert read == [0]
    stream.state_dict()
    assert read == [0, 1]


def train_on_two_ranks(
    kind: type[Sampler], states: list[dict] | None = None, count: int = 120
) -> tuple[list[BatchStream], list]:
    """Train on two ranks, each in a thread, that gather their observations."""
    streams = [stream_over(kind(), rank=rank, num_ranks=2) for rank in range(2)]
    barrier, slots, taken = threading.Barrier(2), [{}, {}], [[], []]

    def work(rank: int) -> None:
        def all_gather(local: dict) -> list[dict]:
            slots[rank] = local
            barrier.wait(20)
            both = list(slots)
            barrier.wait(20)
            return both

        stream = streams[rank]
        stream.all_gather = all_gather
        if states:
            stream.load_state_dict(states[0])
        taken[rank] = Training(stream, ahead=2 + rank).train(count - stream.consumed)
        stream.flush()
        stream.gather()

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return streams, taken


@pytest.mark.parametrize("kind", [UniformSampler, CurriculumSampler])
def test_ranks_have_the_same_plans_and_states(kind: type[Sampler]) -> None:
    streams, taken = train_on_two_ranks(kind)
    assert streams[0].digest() == streams[1].digest()
    np.testing.assert_equal(saved(streams[0]), saved(streams[1]))
    assert len(taken[0]) == len(taken[1]) == 120
    both = [{row.row for row in one} & {row.row for row in other} for one, other in zip(*taken, strict=True)]
    assert sum(len(rows - set(range(1600, 1640))) for rows in both) < 0.01 * sum(map(len, taken[0]))


def test_all_ranks_resume_exactly_from_the_state_of_the_first() -> None:
    _, whole = train_on_two_ranks(CurriculumSampler, count=120)
    streams, parts = train_on_two_ranks(CurriculumSampler, count=47)
    _, rest = train_on_two_ranks(CurriculumSampler, states=[saved(streams[0])], count=120)
    assert [parts[rank] + rest[rank] for rank in range(2)] == whole


def test_several_ranks_without_a_gathering_callback_raise() -> None:
    with pytest.raises(RuntimeError, match="RankAgreement"):
        Training(stream_over(CurriculumSampler(), num_ranks=2)).train(100)


@pytest.mark.parametrize("kind", [UniformSampler, CurriculumSampler])
def test_resuming_with_another_number_of_ranks_neither_loses_nor_repeats_utterances(kind: type[Sampler]) -> None:
    streams, taken = train_on_two_ranks(kind, count=40)
    state = saved(streams[0])
    alone = stream_over(kind())
    alone.load_state_dict(state)
    applied = state["applied"]
    pending = [row for rank in range(2) for batch in taken[rank][applied:] for row in batch]
    assert sum(len(part.rows) for part in alone._pending.values()) == len(pending)
    left = np.concatenate([window.rows[window.first_row_of(40) :] for window in streams[0].windows])
    after = np.array([row.row for batch in Training(alone).train(60) for row in batch])
    if kind is CurriculumSampler:
        assert np.isin(left, after).mean() > 0.6, "their deficit is one larger than that of consumed utterances"
        return
    rows = [row.row for batch in (*taken[0], *taken[1]) for row in batch]
    counts = np.bincount([*rows, *after], minlength=1640)
    for domain in alone.utterances.rows_by_domain[:2]:
        assert counts[domain].max() - counts[domain].min() <= 1


def test_resuming_with_another_batch_size_replans_immediately() -> None:
    first = stream_over(UniformSampler())
    start = Training(first).train(30)
    second = stream_over(UniformSampler(), seconds=20.0)
    second.load_state_dict(saved(first))
    batches = Training(second).train(100)
    durations = second.utterances.durations
    assert max(sum(float(durations[row.row]) for row in batch) for batch in batches) <= 20.0
    counts = np.bincount([row.row for batch in start + batches for row in batch], minlength=1640)
    for domain in second.utterances.rows_by_domain[:2]:
        assert counts[domain].max() - counts[domain].min() <= 1


def test_pending_observations_follow_their_utterances_to_another_manifest() -> None:
    first = stream_over(CurriculumSampler())
    Training(first).train(30)
    fewer = stream_over(CurriculumSampler(), {"a": 900, "small": 40})
    fewer.load_state_dict(saved(first))
    keys = {int(key) for key in fewer.utterances.keys}
    before = [int(key) for part in first._pending.values() for key in first.utterances.keys[part.rows]]
    after = [int(key) for part in fewer._pending.values() for key in fewer.utterances.keys[part.rows]]
    assert sorted(after) == sorted(key for key in before if key in keys)
    assert len(after) < len(before)
    Training(fewer).train(60)


def test_a_domain_too_small_for_the_curriculum_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    stream_over(UniformSampler())
    assert not caplog.text
    stream_over(CurriculumSampler())
    assert "small: too small for windows of 20 batches" in caplog.text
    assert caplog.text.count("too small") == 1
    assert "max_batch_seconds" not in caplog.text, "40 utterances fill no windows of batches that hold the longest one"


@pytest.mark.parametrize("num_ranks", [1, 2])
def test_batches_that_small_domains_allow_are_named(num_ranks: int, caplog: pytest.LogCaptureFixture) -> None:
    sizes = {"a": 900, "b": 700}
    stream_over(CurriculumSampler(), sizes, seconds=600.0, num_ranks=num_ranks)
    named = re.findall(r"--data.max_batch_seconds (\d+)", caplog.text)
    caplog.clear()
    stream_over(CurriculumSampler(), sizes, seconds=float(named[0]), num_ranks=num_ranks)
    assert not caplog.text
    stream_over(CurriculumSampler(), sizes, seconds=1.1 * float(named[0]), num_ranks=num_ranks)
    assert "too small" in caplog.text


def test_batches_smaller_than_an_utterance_raise() -> None:
    with pytest.raises(InputError, match="max_batch_seconds 5 is unusable"):
        next(stream_over(UniformSampler(), seconds=5.0).batches())


def test_strengths_come_from_the_sampler_and_seeds_are_unique() -> None:
    stream = stream_over(CurriculumSampler())
    stream.sampler.inherit({})
    stream.sampler.curriculum.controllers[1].strength = 0.4  # type: ignore[attr-defined]
    batches = Training(stream).train(20)
    strengths = {int(stream.utterances.domain[row.row]): round(row.strength, 3) for batch in batches for row in batch}
    assert strengths == {0: 0.3, 1: 0.7, 2: 0.3}
    seeds = [row.seed for batch in batches for row in batch]
    assert len(set(seeds)) == len(seeds)
