"""Recordings of many requests through one network: windows of several in a batch, each request in its turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from stt.errors import InputError
from stt.recognition.recording import Recording
from stt.recognition.transcriber import BATCH_SECONDS, Draft, End, Part, Transcriber
from stt.recognition.transcript import Transcript
from stt.recognition.windows import Window

T = TypeVar("T")
Result = Transcript | InputError

SHARE_SECONDS = 20.0  # of a recording that are read and heard in one turn; a window may be longer
READERS = 4  # threads that decode audio, which takes a small part of the network's time


@dataclass(order=True)
class _Share:
    """The next parts of a request; done with the result if they are its last, otherwise with None."""

    turn: float  # seconds of audio: start-time fair queuing (Goyal, Vin and Cheng, 1997)
    number: int  # among equal turns, the first comes first
    draft: Draft = field(compare=False)
    parts: list[Part] = field(compare=False)
    seconds: float = field(compare=False)
    done: asyncio.Future[Result | None] = field(compare=False)


class Batcher:
    """Transcribes recordings as they come, in the event loop in which it is entered.

    Each request has a share of some seconds waiting at a time, so that a long one delays a short one by a batch at
    most. Few threads read, one thread runs the network and decodes.
    """

    def __init__(self, transcriber: Transcriber) -> None:
        """Transcribe nothing yet."""
        self._transcriber = transcriber
        self._now = 0.0  # turn of the share that was taken last
        self._count = 0

    async def __aenter__(self) -> Batcher:
        """Start the threads."""
        self._waiting: asyncio.PriorityQueue[_Share] = asyncio.PriorityQueue()
        self._readers, self._model = ThreadPoolExecutor(READERS, "reader"), ThreadPoolExecutor(1, "model")
        self._task = asyncio.create_task(self._serve())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop after the batch that is being computed."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        for threads in (self._readers, self._model):
            threads.shutdown(cancel_futures=True)

    async def transcribe(self, recording: Recording) -> Result:
        """Transcribe a recording, or return why it cannot be; once this ends or is cancelled, nothing reads it."""
        draft = self._transcriber.draft()
        turn = self._now
        with closing(self._transcriber.parts(recording)) as parts:
            while True:
                share, seconds = await self._thread(self._readers, partial(self._read, parts))
                self._count += 1
                turn = max(turn, self._now)
                done: asyncio.Future[Result | None] = asyncio.get_running_loop().create_future()
                self._waiting.put_nowait(_Share(turn, self._count, draft, share, seconds, done))
                if (result := await done) is not None:
                    return result
                turn += seconds

    async def _serve(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            while not self._waiting.empty() and sum(share.seconds for share in batch) < BATCH_SECONDS:
                batch.append(self._waiting.get_nowait())
            self._now = batch[-1].turn
            batch = [share for share in batch if not share.done.cancelled()]
            try:
                results = await self._thread(self._model, partial(self._compute, batch))
            except Exception as error:  # such as a GPU without memory: it concerns these requests alone
                for share in batch:
                    if not share.done.done():
                        share.done.set_exception(error)
                continue
            for share, result in zip(batch, results, strict=True):
                if not share.done.done():
                    share.done.set_result(result)

    async def _thread(self, threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        """Run something in a thread; if this is cancelled, wait for its end nevertheless."""
        running = threads.submit(work)
        ended = asyncio.wrap_future(running)
        try:
            return await asyncio.shield(ended)
        except asyncio.CancelledError:
            if not running.cancel():
                await asyncio.wait([ended])
            raise

    def _read(self, parts: Iterator[Part]) -> tuple[list[Part], float]:
        share: list[Part] = []
        seconds = 0.0
        for name, part in parts:
            share.append((name, part))
            if isinstance(part, Window):
                seconds += len(part.samples) / self._transcriber.recognizer.sample_rate
            if seconds >= SHARE_SECONDS:
                break
        return share, seconds

    def _compute(self, batch: list[_Share]) -> list[Result | None]:
        results: list[Result | None] = [None] * len(batch)
        owners = [i for i, share in enumerate(batch) for _ in share.parts]
        outputs = self._transcriber.outputs([part for share in batch for part in share.parts])
        for i, (part, output) in zip(owners, outputs, strict=True):
            if isinstance(part, End):
                results[i] = batch[i].draft.finish(part)
            elif output is not None:
                batch[i].draft.add(part, output)
        return results
