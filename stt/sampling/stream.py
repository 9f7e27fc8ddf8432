"""The endless stream of batches: what is planned, what was consumed and what was observed, in one place.

An epoch has no part in it. Windows are planned one after the other, each early enough to be read ahead: its plan uses
what was observed up to `LAG` batches before its start, no more and no less, however far reading is. So neither workers
nor validations nor interruptions change what is trained on.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from stt.errors import InputError
from stt.sampling.base import SampledRow, Sampler, Utterances
from stt.sampling.batches import PADDING, cut_batches
from stt.sampling.observations import Key, Observations, merge, pack, unpack
from stt.sampling.shares import crowded, window_counts
from stt.sampling.window import Window

log = logging.getLogger(__name__)
LAG = 20  # batches between the last observation that a plan uses and its window's start: room to read ahead
LONGEST = 1000  # batches of a window

Read = Callable[[], Observations]


class BatchStream:
    """Plans windows and gives their batches, to one of several ranks.

    What was observed of a batch is handed to `observe`, in order; on several ranks `exchange` brings it together.
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
            sampler: decides which utterances a window takes; it has been started.
            utterances: what there is to train on.
            shares: probability of each domain (domain,).
            max_batch_seconds: audio seconds that a batch may occupy on one rank, padding included.
            strength: of the augmentation, where the sampler does not change it.
            seed: decides how windows are cut and utterances augmented.
            rank: which rank's batches to give.
            num_ranks: how many there are.
        """
        self.sampler = sampler
        self.utterances = utterances
        self.max_batch_seconds = max_batch_seconds
        self.strength = strength
        self.seed = seed
        self.rank, self.num_ranks = rank, num_ranks
        seconds = (1 - PADDING) * max_batch_seconds * num_ranks
        rows = utterances.rows_by_domain
        self.counts = window_counts(utterances.durations, rows, shares, seconds, LAG, LONGEST)
        names = [utterances.domains[i] for i in crowded(self.counts, rows)]
        if names and sampler.needs_feedback:
            log.warning(
                "%s: too small for windows of %d batches, so they are gone through pass by pass and only their "
                "augmentation is steered; smaller batches or more speech would leave a choice",
                ", ".join(names),
                LAG,
            )
        self.exchange: Callable[[dict[Key, Observations]], Sequence[dict[Key, Observations]]] | None = None
        self.consumed = 0  # batches that training has taken
        self.windows: list[Window] = []  # planned, and not wholly consumed and observed
        self.planned = 0  # windows
        self.fed = 0  # windows whose plan has been given all that it uses
        self._end = 0  # first batch after the windows
        self._observed = 0  # batches whose observations have been read
        self._shared = 0  # batches of which all ranks' observations are here
        self._entered = 0  # batches whose observations the sampler knows
        self._pending: dict[Key, Observations] = {}  # read, not entered
        self._unread: Read | None = None

    def batches(self) -> Iterator[list[SampledRow]]:
        """Give this rank's batches from the first one that was not consumed, without end."""
        self.begin()
        position = self.consumed
        while True:
            yield self._batch(position)
            position += 1

    def begin(self) -> None:
        """Plan the first windows, where there are none."""
        if self._end <= self.consumed:
            self._advance()

    def observe(self, number: int, read: Read) -> dict[str, float]:
        """Take what a batch showed, which is read when the next one comes; gives what is worth logging by now.

        Args:
            number: of the batch.
            read: gives the observations, and may have to wait for the device.

        Raises:
            RuntimeError: it is not this batch's turn.
        """
        if number != self._observed + (self._unread is not None):
            raise RuntimeError(
                f"batch {number} was observed where {self._observed + (self._unread is not None)} was due: "
                "there must be exactly one callback that observes"
            )
        self.settle()
        self._unread = read
        return self._advance()

    def settle(self) -> None:
        """Read what was observed of the last batch."""
        if self._unread is None:
            return
        number, read = self._observed, self._unread
        self._unread = None
        found = read()
        self._pending[number, self.rank] = found.weighted(self._window_of(number).weights_of(found.rows))
        self._observed += 1

    def share(self) -> None:
        """Bring together what the ranks have read; all of them must call it after the same batch.

        Raises:
            RuntimeError: there are several ranks, and nothing that connects them.
        """
        if self.num_ranks > 1:
            if self.exchange is None:
                raise RuntimeError("several ranks need the callback RankAgreement, which brings together what they see")
            mine = {key: part for key, part in self._pending.items() if key[1] == self.rank and key[0] >= self._shared}
            for parts in self.exchange(mine):
                self._pending.update(parts)
        self._shared = self._observed

    def digest(self) -> str:
        """SHA-256 over the windows that are fed: equal plans, equal digests."""
        whole = hashlib.sha256()
        for window in self.windows:
            if window.index < self.fed:
                whole.update(window.digest())
        return whole.hexdigest()

    def rank_spread(self) -> float:
        """Mean over the newest window's steps of (costliest rank - cheapest rank) / mean: what ranks wait."""
        return self.windows[-1].rank_spread(self.utterances.durations)

    def state_dict(self) -> dict[str, Any]:
        """Give all that the batches to come depend on: plain values, texts and arrays."""
        self.settle()
        if self.num_ranks > 1 and self._shared < self._observed:
            log.warning(
                "saved at a moment that was not planned: observations of %d batches on other ranks are missing",
                self._observed - self._shared,
            )
        keys = self.utterances.keys
        return {
            "fingerprint": self.utterances.fingerprint,
            "num_ranks": self.num_ranks,
            "max_batch_seconds": float(self.max_batch_seconds),
            "consumed": self.consumed,
            "planned": self.planned,
            "fed": self.fed,
            "end": self._end,
            "entered": self._entered,
            "windows": [{**window.state_dict(), "keys": keys[window.rows]} for window in self.windows],
            "pending": pack(self._pending, keys, self.utterances.texts),
            "sampler": self.sampler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume where `state_dict` was taken.

        Windows that were planned for other batches, for another number of ranks or for another manifest are not
        finished: what is left of them goes back to the sampler.
        """
        same = state["fingerprint"] == self.utterances.fingerprint
        self.sampler.load_state_dict(state["sampler"])
        self.consumed = self._observed = self._shared = state["consumed"]
        self.planned, self._entered = state["planned"], state["entered"]
        self._pending = unpack(state["pending"], None if same else self.utterances.find, self.utterances.texts)
        wanted = (self.num_ranks, self.max_batch_seconds)
        if same and (state["num_ranks"], state["max_batch_seconds"]) == wanted:
            self.fed, self._end = state["fed"], state["end"]
            self.windows = [Window.from_state_dict(window) for window in state["windows"]]
            return
        self.windows, self.fed, self._end = [], self.planned, self.consumed
        for window in state["windows"]:
            left = window["rows" if same else "keys"][Window.from_state_dict(window).first_row_of(self.consumed) :]
            rows = left if same else self.utterances.find(left)
            self.sampler.put_back(rows[rows >= 0])

    def _advance(self) -> dict[str, float]:
        """Plan each window as soon as all that its plan uses has been observed."""
        metrics: dict[str, float] = {}
        while self._observed >= (start := self._start_of(self.fed)) - LAG:
            metrics |= self._enter(start - LAG)
            self.fed += 1
            if self.fed > self.planned:
                self._plan()
        self.windows = [window for window in self.windows if window.end > self._observed]
        return metrics

    def _enter(self, end: int) -> dict[str, float]:
        """Hand the sampler what was observed of the batches before `end`."""
        if end <= self._entered:
            return {}
        if end > self._shared:
            self.share()
        keys = sorted(key for key in self._pending if key[0] < end)
        self._entered = end
        return self.sampler.update(merge([self._pending.pop(key) for key in keys]))

    def _plan(self) -> None:
        sample = self.sampler.plan(self.counts, self.planned)
        rng = np.random.default_rng((self.seed, self.planned))
        try:
            cut = cut_batches(sample.rows, self.utterances.durations, self.num_ranks, self.max_batch_seconds, rng)
        except ValueError as error:
            raise InputError(f"--data.max_batch_seconds {self.max_batch_seconds:g} does not work: {error}") from error
        self.sampler.put_back(cut.left_over)
        strengths = self.sampler.strengths(self.strength)
        window = Window.of(self.planned, self._end, cut.batches, sample, strengths)
        self.windows.append(window)
        self._end = window.end
        self.planned += 1

    def _batch(self, position: int) -> list[SampledRow]:
        while position >= self._end:
            if self.sampler.needs_feedback:
                raise RuntimeError(
                    f"{type(self.sampler).__name__} needs feedback, and batch {self._observed} has not been observed "
                    f"when batch {position} is asked for: the callback CurriculumFeedback is missing, or more than "
                    f"{LAG - 1} batches are read ahead"
                )
            self._plan()
            self.windows = [window for window in self.windows if window.end > self.consumed - LAG]
        window = self._window_of(position)
        rows = window.batch(position, self.rank)
        strengths = window.strengths[self.utterances.domain[rows]]
        return [
            SampledRow(row, strength, (self.seed, position, self.rank, i))
            for i, (row, strength) in enumerate(zip(rows.tolist(), strengths.tolist(), strict=True))
        ]

    def _window_of(self, position: int) -> Window:
        return next(window for window in self.windows if window.start <= position < window.end)

    def _start_of(self, index: int) -> int:
        """First batch of a window, which is planned or the next to be."""
        return next((window.start for window in self.windows if window.index == index), self._end)
