"""Decoding on all cores, in processes that work while the device computes the next batch."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from stt.decoding.decoder import Decoder
from stt.text.tokenizer import Tokenizer

Result = TypeVar("Result")
BuildDecoder = Callable[[Tokenizer, str], Decoder]  # for a tokenizer and the name of a normalizer; can be pickled

_decoder: Decoder  # of a worker process


class DecodingPool:
    """Processes with a decoder each, started when the first utterance comes."""

    def __init__(
        self, build: BuildDecoder, tokenizer: Tokenizer, normalizer: str, num_workers: int | None = None
    ) -> None:
        """Set up; a decoder is built here as well, so that what is wrong with its options is said at once.

        Args:
            build: makes a decoder, in each process.
            tokenizer: of the recognizer.
            normalizer: name of that of the recognizer.
            num_workers: processes; None takes all cores.

        Raises:
            InputError: as `build`.
        """
        build(tokenizer, normalizer)
        # Spawned: a fork of a process with threads and a device in it may hang.
        self._pool = ProcessPoolExecutor(
            num_workers or os.cpu_count() or 1,
            multiprocessing.get_context("spawn"),
            _start,
            (build, tokenizer.to_string(), normalizer),
        )

    def submit(self, log_probs: npt.NDArray[np.float32]) -> Future[str]:
        """Decode log_probs (frame, vocab) to a text."""
        return self.ask(_text, log_probs)

    def ask(self, function: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Call a function of a decoder and these arguments in one of the processes."""
        return self._pool.submit(_call, function, *arguments)

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(cancel_futures=True)


def _start(build: BuildDecoder, tokenizer: str, normalizer: str) -> None:
    global _decoder
    torch.set_num_threads(1)  # the processes are the parallelism
    _decoder = build(Tokenizer.from_string(tokenizer), normalizer)


def _call(function: Callable[..., Result], *arguments: Any) -> Result:
    return function(_decoder, *arguments)


def _text(decoder: Decoder, log_probs: npt.NDArray[np.float32]) -> str:
    return decoder.text(log_probs)
