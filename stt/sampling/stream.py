"""The endless stream of batches: planned windows, consumed batches and observations in one place.

It is independent of epochs. Windows are planned one after the other, early enough to be prefetched: a plan uses exactly
the observations up to `LAG` batches before its window's start, however far prefetching has got. So the number of
workers, validation and interruptions do not change what is trained on.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from stt.errors import InputError
from stt.sampling.base import MAX_DOMAIN_SHARE, SampledRow, Sampler, Utterances
from stt.sampling.batches import MAX_PADDING_SHARE, cut_batches
from stt.sampling.observations import Key, Observations, merge, pack, unpack
from stt.sampling.shares import oversampled_domains, window_counts
from stt.sampling.window import Window

log = logging.getLogger(__name__)
LAG = 20  # batches between the last observation a plan uses and its window's start, for prefetching
MAX_WINDOW_BATCHES = 1000  # LAG is the minimum

Read = Callable[[], Observations]


class BatchStream:
    """Plans windows and yields one rank's batches.

    The observations of each batch are passed to `observe`, in order; `all_gather` collects those of all ranks.
    """

    def __init__(
        self,
        sampler: Sampler,
        utterances: Utterances,
        shares: npt.NDArray[np.float64],
        max_batch_seconds: float,
        *,
        strength: float = 0.0,
        seed: int = 0,
        rank: int = 0,
        num_ranks: int = 1,
    ) -> None:
        """Start at the first batch.

        Args:
            sampler: selects the utterances of each window; already started.
            utterances: training utterances.
            shares: probability of each domain (domain,).
            max_batch_seconds: maximum audio seconds of a batch on one rank, padding included.
            strength: augmentation strength, unless changed by the sampler.
            seed: seed of batching and augmentation.
            rank: rank whose batches to yield.
            num_ranks: number of ranks.
        """
        self.consumed = 0  # batches used by training
        self.sampler = sampler
        self.utterances = utterances
        self.max_batch_seconds = max_batch_seconds
        self.strength = strength
        self.seed = seed
        self.rank, self.num_ranks = rank, num_ranks
        self.shares = shares
        self.begin(None)
        small = oversampled_domains(self.counts, utterances.rows_by_domain)
        if small and sampler.needs_feedback:
            sizes = [len(utterances.rows_by_domain[i]) for i in small]
            share = min(MAX_DOMAIN_SHARE * size / self.counts[i] for i, size in zip(small, sizes, strict=True))
            fitting = int(share * max_batch_seconds)
            log.warning(
                "%s: too small for windows of %d batches, so all utterances are sampled in passes and only the "
                "augmentation strength is adapted; for an adaptive curriculum, use more data%s",
                ", ".join(utterances.domains[i] for i in small),
                LAG,
                f" or --data.max_batch_seconds {fitting}" if fitting >= utterances.durations.max() else "",
            )
        self.all_gather: Callable[[dict[Key, Observations]], Sequence[dict[Key, Observations]]] | None = None
        self.windows: list[Window] = []  # planned, not yet fully consumed and observed
        self.num_planned = 0  # windows planned
        self.num_with_feedback = 0  # windows planned whose feedback is complete
        self._end = 0  # first batch after the planned windows
        self._observed = 0  # batches whose observations have been read
        self._gathered = 0  # batches whose observations have been collected from all ranks
        self._applied = 0  # batches whose observations have been passed to the sampler
        self._pending: dict[Key, Observations] = {}  # read, not yet passed to the sampler
        self._unread: Read | None = None

    def begin(self, num_batches: int | None) -> None:
        """Set how many batches a training on one rank consumes from here on; None if that is unknown.

        No window is longer than a twentieth of the training, so that the sampler can change what it does near its end.
        """
        self._first, self._num_batches = self.consumed, num_batches
        longest = MAX_WINDOW_BATCHES if num_batches is None else min(MAX_WINDOW_BATCHES, num_batches // 20)
        seconds = (1 - MAX_PADDING_SHARE) * self.max_batch_seconds * self.num_ranks
        data = self.utterances
        self.counts = window_counts(data.durations, data.rows_by_domain, self.shares, seconds, LAG, max(LAG, longest))

    def batches(self) -> Iterator[list[SampledRow]]:
        """Yield this rank's batches endlessly, from the first that was not consumed."""
        self.plan_first()
        position = self.consumed
        while True:
            yield self._batch(position)
            position += 1

    def plan_first(self) -> None:
        """Plan the first windows unless there are some."""
        if self._end <= self.consumed:
            self._advance()

    def observe(self, number: int, read: Read) -> dict[str, float]:
        """Accept the observations of a batch, which are read when the next batch's arrive; return metrics to log.

        Args:
            number: batch number.
            read: returns the observations; may wait for the device.

        Raises:
            RuntimeError: batches are not observed in order.
        """
        if number != self._observed + (self._unread is not None):
            raise RuntimeError(
                f"batch {number} was observed when {self._observed + (self._unread is not None)} was expected: "
                "exactly one callback must report observations"
            )
        self.flush()
        self._unread = read
        return self._advance()

    def flush(self) -> None:
        """Read the observations of the last batch."""
        if self._unread is None:
            return
        number, read = self._observed, self._unread
        self._unread = None
        observations = read()
        weights = self._window_of(number).weights_of(observations.rows)
        self._pending[number, self.rank] = observations.with_weights(weights)
        self._observed += 1

    def gather(self) -> None:
        """Collect the observations of all ranks; every rank must call this after the same batch.

        Raises:
            RuntimeError: there are several ranks, but `all_gather` is not set.
        """
        if self.num_ranks > 1:
            if self.all_gather is None:
                raise RuntimeError(
                    "several ranks require the callback RankAgreement, which collects their observations"
                )
            local = {
                key: part for key, part in self._pending.items() if key[1] == self.rank and key[0] >= self._gathered
            }
            for parts in self.all_gather(local):
                self._pending.update(parts)
        self._gathered = self._observed

    def digest(self) -> str:
        """Return the SHA-256 of the windows with complete feedback: equal for equal plans."""
        digest = hashlib.sha256()
        for window in self.windows:
            if window.index < self.num_with_feedback:
                digest.update(window.digest())
        return digest.hexdigest()

    def rank_cost_spread(self) -> float:
        """Return the relative difference between the ranks' costs, mean over the latest window's steps."""
        return self.windows[-1].rank_cost_spread(self.utterances.durations)

    def state_dict(self) -> dict[str, Any]:
        """Return everything later batches depend on: plain values, strings and arrays."""
        self.flush()
        if self.num_ranks > 1 and self._gathered < self._observed:
            log.warning(
                "unscheduled checkpoint: the other ranks' observations of %d batches are missing",
                self._observed - self._gathered,
            )
        keys = self.utterances.keys
        return {
            "fingerprint": self.utterances.fingerprint,
            "num_ranks": self.num_ranks,
            "max_batch_seconds": float(self.max_batch_seconds),
            "first": self._first,
            "consumed": self.consumed,
            "num_planned": self.num_planned,
            "num_with_feedback": self.num_with_feedback,
            "end": self._end,
            "applied": self._applied,
            "windows": [{**window.state_dict(), "keys": keys[window.rows]} for window in self.windows],
            "pending": pack(self._pending, keys, self.utterances.texts),
            "sampler": self.sampler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from `state_dict`.

        Windows planned for a different batch size, number of ranks or manifest are discarded, and their remaining
        utterances are returned to the sampler.
        """
        same_rows = state["fingerprint"] == self.utterances.fingerprint
        self.sampler.load_state_dict(state["sampler"])
        self.consumed = self._observed = self._gathered = state["consumed"]
        self._first = state.get("first", 0)  # earlier checkpoints lack it
        self.num_planned, self._applied = state["num_planned"], state["applied"]
        self._pending = unpack(state["pending"], None if same_rows else self.utterances.find, self.utterances.texts)
        layout = (self.num_ranks, self.max_batch_seconds)
        if same_rows and (state["num_ranks"], state["max_batch_seconds"]) == layout:
            self.num_with_feedback, self._end = state["num_with_feedback"], state["end"]
            self.windows = [Window.from_state_dict(window) for window in state["windows"]]
            return
        self.windows, self.num_with_feedback, self._end = [], self.num_planned, self.consumed
        for window in state["windows"]:
            remaining = window["rows" if same_rows else "keys"][
                Window.from_state_dict(window).first_row_of(self.consumed) :
            ]
            rows = remaining if same_rows else self.utterances.find(remaining)
            self.sampler.put_back(rows[rows >= 0])

    def _advance(self) -> dict[str, float]:
        """Plan each window as soon as the observations for its plan are complete."""
        metrics: dict[str, float] = {}
        while self._observed >= (start := self._start_of(self.num_with_feedback)) - LAG:
            metrics |= self._update_sampler(start - LAG)
            self.num_with_feedback += 1
            if self.num_with_feedback > self.num_planned:
                self._plan()
        self.windows = [window for window in self.windows if window.end > self._observed]
        return metrics

    def _update_sampler(self, end: int) -> dict[str, float]:
        """Pass the observations of the batches before `end` to the sampler."""
        if end <= self._applied:
            return {}
        if end > self._gathered:
            self.gather()
        keys = sorted(key for key in self._pending if key[0] < end)
        self._applied = end
        return self.sampler.update(merge([self._pending.pop(key) for key in keys]))

    def _plan(self) -> None:
        progress = min(1.0, (self._end - self._first) / self._num_batches) if self._num_batches else 0.0
        sample = self.sampler.plan(self.counts, self.num_planned, progress)
        rng = np.random.default_rng((self.seed, self.num_planned))
        try:
            cut = cut_batches(sample.rows, self.utterances.durations, self.num_ranks, self.max_batch_seconds, rng)
        except ValueError as error:
            raise InputError(f"--data.max_batch_seconds {self.max_batch_seconds:g} is unusable: {error}") from error
        self.sampler.put_back(cut.leftover)
        strengths = self.sampler.strengths(self.strength)
        window = Window.of(self.num_planned, self._end, cut.batches, sample, strengths)
        self.windows.append(window)
        self._end = window.end
        self.num_planned += 1

    def _batch(self, position: int) -> list[SampledRow]:
        while position >= self._end:
            if self.sampler.needs_feedback:
                raise RuntimeError(
                    f"{type(self.sampler).__name__} needs feedback, but batch {self._observed} has not been observed "
                    f"when batch {position} is requested: the callback CurriculumFeedback is missing, or more than "
                    f"{LAG - 1} batches are prefetched"
                )
            self._plan()
            self.windows = [window for window in self.windows if window.end > self.consumed - LAG]
        window = self._window_of(position)
        rows = window.batch(position, self.rank)
        strengths = window.strengths[self.utterances.domain[rows]]
        seed = (self.seed, position, self.rank)
        return [
            SampledRow(row, strength, (*seed, i), seed)
            for i, (row, strength) in enumerate(zip(rows.tolist(), strengths.tolist(), strict=True))
        ]

    def _window_of(self, position: int) -> Window:
        return next(window for window in self.windows if window.start <= position < window.end)

    def _start_of(self, index: int) -> int:
        """Return the first batch of a window that is planned or the next to plan."""
        return next((window.start for window in self.windows if window.index == index), self._end)
