"""The training utterances and the sampler protocol."""

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

MAX_DOMAIN_SHARE = 1 / 3  # of a domain in one window, if the data allow it: a larger share would leave no choice


@dataclass(frozen=True)
class Utterances:
    """The training corpus as arrays, one entry for each row of its manifest.

    Attributes:
        domains: names of the domains.
        domain: index of each row's domain (row,).
        durations: seconds (row,).
        difficulty: prior difficulty (row,), on any scale from 0 up; NaN where unknown.
        keys: identity of each row (row,), used to find it in another manifest.
        texts: hash of each row's text (row,), used to detect corrected texts.
        rows_by_domain: trainable rows of each domain.
        name: manifest name, for messages.
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
        """Return the number of rows."""
        return len(self.domain)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the keys, the domains and the trainable rows; equal if plans refer to the same rows."""
        digest = hashlib.sha256("\0".join(self.domains).encode())
        for array in (self.keys, *self.rows_by_domain):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def find(self, keys: npt.NDArray[np.int64]) -> Rows:
        """Return the row of each key, -1 if it is not present."""
        return find_keys(self.keys, keys)


def find_keys(keys: npt.NDArray[np.int64], wanted: npt.NDArray[np.int64]) -> Rows:
    """Return the index in `keys` of each wanted key, -1 if it is not present."""
    if not len(keys):
        return np.full(len(wanted), -1, np.int64)
    order = np.argsort(keys, kind="stable")
    position = np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)
    return np.where(keys[order[position]] == wanted, order[position], -1)


@dataclass(frozen=True)
class Sample:
    """The utterances of a window.

    Attributes:
        rows: utterances (n,), in any order; an utterance sampled several times is listed several times.
        weights: importance weights (n,): inversely proportional to how often an utterance is sampled.
    """

    rows: Rows
    weights: Floats


@dataclass(frozen=True)
class SampledRow:
    """A sampled row with the strength of its augmentation, and the seeds of what is drawn for it and for its batch."""

    row: int
    strength: float
    seed: tuple[int, ...]
    batch_seed: tuple[int, ...]


class Sampler(ABC):
    """Selects the utterances of each training window.

    The result of `plan` depends only on the arguments of `start`, the previous plans and the observations passed to
    `update` in between, so that all ranks, and a resumed run, plan the same.
    """

    uses_feedback: bool = False  # whether plans depend on observations, which limits how far batches are prefetched
    needs_feedback: bool = False  # whether there are no plans without them; they then include losses for other labels
    utterances: Utterances  # set by `start`

    @abstractmethod
    def start(self, utterances: Utterances, seed: int) -> None:
        """Set the utterances to sample from.

        Raises:
            InputError: an option of the sampler does not match the utterances.
        """

    @abstractmethod
    def plan(self, counts: list[int], window: int, progress: float = 0.0) -> Sample:
        """Sample the utterances of a window; windows are planned once each, in order.

        Args:
            counts: utterances to sample from each domain (domain,).
            window: number of the window.
            progress: share of the training that is over when the window begins, 0..1; 0 if its length is unknown.
        """

    @abstractmethod
    def put_back(self, rows: Rows) -> None:
        """Take back planned utterances that did not fit; they come first in the next window."""

    @abstractmethod
    def update(self, observations: Observations) -> dict[str, float]:
        """Learn from the observations since the last update; return metrics to log."""

    def strengths(self, base: float) -> Floats:
        """Return the augmentation strength of each domain (domain,), given the common strength `base`."""
        return np.full(len(self.utterances.domains), base, np.float32)

    def inherit(self, state: dict[str, Any]) -> None:  # noqa: B027  # optional
        """Start from another run's `state_dict`, which may be that of a different sampler."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return everything later plans depend on: plain values, strings and arrays."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from `state_dict`; with a different manifest, keep what is known of the shared rows."""


def cer_metrics(utterances: Utterances, observations: Observations) -> dict[str, float]:
    """Return the mean observed CER by domain, as metrics."""
    index = utterances.domain[observations.rows]
    counts = np.bincount(index, minlength=len(utterances.domains))
    sums = np.bincount(index, weights=np.clip(observations.cers, 0, 1), minlength=len(utterances.domains))
    return {
        curriculum_metric_name("observed_cer", domain): float(sums[i] / counts[i])
        for i, domain in enumerate(utterances.domains)
        if counts[i]
    }
