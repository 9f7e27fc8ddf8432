"""What there is to sample from, and what a sampler is."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from stt.runs.metric_names import curriculum_metric_name
from stt.sampling.observations import Floats, Observations, Rows

MOST_SHARE = 1 / 3  # of a domain in one window, wherever the data allow it: more would leave nothing to choose


@dataclass(frozen=True)
class Utterances:
    """The training corpus as arrays, one entry for each row of its manifest.

    Attributes:
        domains: names of the domains.
        domain: index of each row's domain (row,).
        durations: seconds (row,).
        difficulty: known beforehand (row,), on any scale from 0 up; NaN where nothing is known.
        keys: identity of each row (row,), by which it is found again in another manifest.
        texts: hash of each row's text (row,), by which it is seen that one was mended.
        rows_by_domain: the rows of each domain that can be trained on.
        name: of the manifest, for messages.
    """

    domains: list[str]
    domain: npt.NDArray[np.int32]
    durations: Floats
    difficulty: Floats
    keys: npt.NDArray[np.int64]
    texts: npt.NDArray[np.int32]
    rows_by_domain: list[Rows]
    name: str = "the manifest"

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.domain)

    @cached_property
    def fingerprint(self) -> str:
        """Tell whether plans are about the same rows: a hash of the keys, the domains and what can be trained on."""
        whole = hashlib.sha256("\0".join(self.domains).encode())
        for array in (self.keys, *self.rows_by_domain):
            whole.update(np.ascontiguousarray(array).data)
        return whole.hexdigest()

    def find(self, keys: npt.NDArray[np.int64]) -> Rows:
        """Row of each of these keys, -1 where there is none."""
        return places(self.keys, keys)


def places(keys: npt.NDArray[np.int64], wanted: npt.NDArray[np.int64]) -> Rows:
    """Index of each wanted key among `keys`, -1 where there is none."""
    if not len(keys):
        return np.full(len(wanted), -1, np.int64)
    order = np.argsort(keys, kind="stable")
    place = np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)
    return np.where(keys[order[place]] == wanted, order[place], -1)


@dataclass(frozen=True)
class Sample:
    """What a window takes.

    Attributes:
        rows: utterances (n,), in any order; one that is taken several times stands there several times.
        weights: how much of its domain each of them stands for (n,): the more, the rarer it is taken.
    """

    rows: Rows
    weights: Floats


@dataclass(frozen=True)
class SampledRow:
    """A row that training takes, with how strongly to augment it and the seed of how."""

    row: int
    strength: float
    seed: tuple[int, ...]


class Sampler(ABC):
    """Decides which utterances each window of training takes.

    All that `plan` gives follows from the arguments of `start`, the plans before it and what was handed to `update`
    meanwhile, so that every rank, and a run that is resumed, plans the same.
    """

    needs_feedback: bool = False  # whether it learns from what was observed, and cannot do without
    utterances: Utterances  # from `start` on

    @abstractmethod
    def start(self, utterances: Utterances, seed: int) -> None:
        """Take over what there is to sample from.

        Raises:
            InputError: an option of the sampler does not fit the utterances.
        """

    @abstractmethod
    def plan(self, counts: list[int], window: int) -> Sample:
        """Take `counts[d]` utterances of each domain d for a window; windows are planned in order, each once."""

    @abstractmethod
    def put_back(self, rows: Rows) -> None:
        """Take back utterances of a plan that found no room; they come first in the next window."""

    @abstractmethod
    def update(self, observed: Observations) -> dict[str, float]:
        """Learn from what was observed since the last update; gives what is worth logging."""

    def strengths(self, base: float) -> Floats:
        """Augmentation strength of each domain (domain,), where `base` is what all of them have."""
        return np.full(len(self.utterances.domains), base, np.float32)

    def inherit(self, state: dict[str, Any]) -> None:  # noqa: B027  # most samplers have no use for it
        """Begin with what another run knew of the utterances: its `state_dict`, perhaps of another sampler."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Give all that later plans depend on: plain values, texts and arrays."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume where `state_dict` was taken; of another manifest, with what is known of the rows that they share."""


def observed_cers(utterances: Utterances, observed: Observations) -> dict[str, float]:
    """Mean CER of what was observed, by domain, as metrics."""
    index = utterances.domain[observed.rows]
    counts = np.bincount(index, minlength=len(utterances.domains))
    sums = np.bincount(index, weights=np.clip(observed.cers, 0, 1), minlength=len(utterances.domains))
    return {
        curriculum_metric_name("observed_cer", domain): float(sums[i] / counts[i])
        for i, domain in enumerate(utterances.domains)
        if counts[i]
    }
