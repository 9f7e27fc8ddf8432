"""Decoding in worker processes on all cores, while the device computes the next batch."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from stt.decoding.decoder import Decoder
from stt.text.tokenizer import Tokenizer

Result = TypeVar("Result")
BuildDecoder = Callable[[Tokenizer, str], Decoder]  # from tokenizer and normalizer name; picklable

MAX_WAITING = 512  # calls whose arguments are in memory; a network is often faster than a beam search

_decoder: Decoder  # one per worker process


class DecodingPool:
    """Pool of worker processes, each with its own decoder; they start with the first utterance."""

    def __init__(
        self, build: BuildDecoder, tokenizer: Tokenizer, normalizer: str, num_workers: int | None = None
    ) -> None:
        """Set up the pool; a decoder is also built here, so that invalid options fail at once.

        Args:
            build: builds a decoder in each process.
            tokenizer: the recognizer's.
            normalizer: name of the recognizer's normalizer.
            num_workers: number of processes; 0 decodes in this one, None: one per core.

        Raises:
            InputError: raised by `build`.
        """
        decoder = build(tokenizer, normalizer)
        self._decoder = self._pool = None
        self._slots = threading.Semaphore(MAX_WAITING)
        if num_workers == 0:
            self._decoder = decoder
        else:
            self._pool = ProcessPoolExecutor(
                num_workers or os.cpu_count() or 1,
                multiprocessing.get_context("spawn"),  # forking a process that uses threads and a device may hang
                _start,
                (build, tokenizer.to_string(), normalizer),
            )

    def submit(self, log_probs: npt.NDArray[np.float32]) -> Future[str]:
        """Decode log_probs (frame, vocab) to a text."""
        return self.call(_text, log_probs)

    def call(self, function: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Call a function with the worker's decoder and these arguments in one of the processes.

        Waits while `MAX_WAITING` calls have not ended.
        """
        if self._pool is not None:
            self._slots.acquire()
            future = self._pool.submit(_call, function, *arguments)
            future.add_done_callback(lambda _: self._slots.release())
            return future
        done = Future[Result]()
        done.set_result(function(self._decoder, *arguments))
        return done

    def close(self) -> None:
        """Shut down the processes."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _start(build: BuildDecoder, tokenizer: str, normalizer: str) -> None:
    global _decoder
    torch.set_num_threads(1)  # the processes are the parallelism
    _decoder = build(Tokenizer.from_string(tokenizer), normalizer)


def _call(function: Callable[..., Result], *arguments: Any) -> Result:
    return function(_decoder, *arguments)


def _text(decoder: Decoder, log_probs: npt.NDArray[np.float32]) -> str:
    return decoder.text(log_probs)
