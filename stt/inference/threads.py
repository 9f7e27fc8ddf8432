"""How many threads and how much memory the process uses, and on which machine."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from threadpoolctl import threadpool_info, threadpool_limits


@contextmanager
def limited_threads(count: int) -> Iterator[dict[str, int]]:
    """Limit PyTorch and all BLAS and OpenMP libraries of the process in a block; yield what each then reports."""
    before = torch.get_num_threads()
    try:
        with threadpool_limits(count):
            torch.set_num_threads(count)
            pools = {Path(one["filepath"]).name: int(one["num_threads"]) for one in threadpool_info()}
            yield {"torch": torch.get_num_threads(), **pools}
    finally:
        torch.set_num_threads(before)


def available_cores() -> int:
    """Return the number of cores that the process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_memory_mb() -> int:
    """Return the largest resident memory of the process so far, in MB (10^6 bytes)."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage also counts what the process was before it was this program
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return round(int(fields["VmHWM"].split()[0]) * 1024 / 1e6)
    import resource  # which Windows does not have

    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)


def machine() -> str:
    """Name the processor, its cores, and the versions that matter for speed."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}, torch {torch.__version__}"
