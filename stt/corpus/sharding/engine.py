"""Who does the work: processes of this machine, or a Dask cluster; both are a `concurrent.futures` executor."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import TypeVar

from stt.errors import InputError, reason

T = TypeVar("T")
CONNECT_SECONDS = 30  # until a cluster must have answered, and a worker must be there


@dataclass(frozen=True)
class Engine:
    """Where shards are worked on.

    Attributes:
        workers: processes of this machine; None for one per core.
        cluster: address of a Dask scheduler, such as tcp://HOST:8786, whose workers do it instead; they need the same
            version of this package, and the same paths.
    """

    workers: int | None = None
    cluster: str = ""

    @contextmanager
    def executor(self) -> Iterator[tuple[Executor, int]]:
        """Yield an executor and how many tasks it runs at once; what has not started at the end is cancelled.

        Raises:
            InputError: the cluster does not answer, or has no workers.
        """
        if self.cluster:
            with _cluster(self.cluster) as running:
                yield running
            return
        workers = self.workers or os.cpu_count() or 1
        # Forked processes would inherit locks of the threads that Arrow and torch have started.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker) as executor:
            try:
                yield executor, workers
            finally:
                executor.shutdown(cancel_futures=True)


def submit(executor: Executor, work: Callable[..., T], *arguments: object) -> Future[T]:
    """Hand a task over; one that cannot be because a worker process has just died fails like those before it."""
    try:
        return executor.submit(work, *arguments)
    except BrokenProcessPool as error:
        failed: Future[T] = Future()
        failed.set_exception(error)
        return failed


def result_of(future: Future[T]) -> T:
    """Return what a task has given.

    Raises:
        InputError: it failed, or the process that worked on it died.
    """
    error = future.exception()
    # Dask's KilledWorker is told by its name, because Dask need not be installed.
    if isinstance(error, BrokenProcessPool) or type(error).__name__ == "KilledWorker":
        raise InputError("a worker process died: it was killed, or there was no memory left") from error
    if error is None or isinstance(error, InputError) or not isinstance(error, Exception):
        return future.result()
    raise InputError(f"a worker process failed ({reason(error)})") from error


def use_one_thread() -> None:
    """Let libraries use one thread in this process: there is a process for every core already."""
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    import pyarrow as pa  # imported after the variables are set

    pa.set_cpu_count(1)


@contextmanager
def _cluster(address: str) -> Iterator[tuple[Executor, int]]:
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_SECONDS)
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except (OSError, TimeoutError, ValueError) as error:
        raise InputError(f"--cluster {address}: no scheduler with workers answers there ({reason(error)})") from error
    with client:
        executor = client.get_executor()
        try:
            yield executor, max(1, sum(client.ncores().values()))
        finally:
            executor.shutdown(wait=False)  # cancels what has not started


def _start_worker() -> None:
    use_one_thread()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C ends the command, and the command its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent is killed: it would wait for tasks for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
