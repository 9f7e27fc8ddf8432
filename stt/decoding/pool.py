"""Beam search on all cores, in processes that work while the device computes the next batch."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stt.decoding.beam import BeamOptions, BeamSearch
from stt.text.tokenizer import Tokenizer

_search: BeamSearch  # of a worker process


class Setting(NamedTuple):
    """What can be changed from one utterance to the next."""

    alpha: float
    beta: float
    beam_width: int


class DecodingPool:
    """Processes with a search each, started when the first utterance comes."""

    def __init__(
        self, tokenizer: Tokenizer, normalizer: str, options: BeamOptions, num_workers: int | None = None
    ) -> None:
        """Set up; a search is built here as well, so that what is wrong with the options is said at once.

        Raises:
            InputError: as `BeamSearch`.
        """
        BeamSearch(tokenizer, normalizer, options)
        self.options = options
        # Spawned: a fork of a process with threads and a device in it may hang.
        self._pool = ProcessPoolExecutor(
            num_workers or os.cpu_count() or 1,
            multiprocessing.get_context("spawn"),
            _start,
            (tokenizer.to_string(), normalizer, options),
        )

    def submit(
        self, log_probs: npt.NDArray[np.float32], settings: Sequence[Setting] | None = None
    ) -> Future[list[str]]:
        """Decode log_probs (frame, vocab) with each of the settings, or with that of the options."""
        options = self.options
        own = [Setting(options.alpha, options.beta, options.beam_width)]
        return self._pool.submit(_decode, log_probs, own if settings is None else list(settings))

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(cancel_futures=True)


def _start(tokenizer: str, normalizer: str, options: BeamOptions) -> None:
    global _search
    _search = BeamSearch(Tokenizer.load(tokenizer), normalizer, options)


def _decode(log_probs: npt.NDArray[np.float32], settings: list[Setting]) -> list[str]:
    texts = []
    for alpha, beta, beam_width in settings:
        _search.reset(alpha, beta)
        texts.append(_search.beams(log_probs, beam_width)[0].text)
    return texts
