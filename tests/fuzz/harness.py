"""Runs a command on arbitrary input, and holds it to what every command promises.

Success, or one sentence and exit code 2; never a traceback, a hang, a process, or a file written outside the output
folder.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("STT_FUZZ_EXAMPLES", "20"))
SHRINK = bool(os.environ.get("STT_FUZZ_SHRINK"))
LIMIT_SECONDS = 60
PROCESSES = frozenset(
    {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen"}
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
# W&B makes one temporary folder for a process when it is first imported, whatever the temporary folder is later.
ELSEWHERE = ("__pycache__", "wandb-media/")

# Shrinking a failure runs the command a thousand times, a minute for each test that fails: only on demand.
PHASES = [phase for phase in Phase if SHRINK or phase not in (Phase.shrink, Phase.explain)]
fuzzed = settings(
    phases=PHASES,
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES <= 200,  # a test run must not fail by chance; long ones by hand look further
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@dataclass
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


class _Hang(BaseException):
    """The command takes too long; not an `Exception`, which the command might handle."""


class _Watch:
    """What the running command does to the system, seen through an audit hook; a hook cannot be removed."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.starts_processes = False
        self.seen: list[str] = []
        sys.addaudithook(self.take)

    def take(self, event: str, args: tuple[Any, ...]) -> None:
        if self.folder is None:
            return
        if event in PROCESSES and not self.starts_processes:
            self.seen.append(f"{event} {args!r}")
        elif event == "open" and isinstance(args[0], str | bytes) and isinstance(args[2], int) and args[2] & WRITING:
            path = os.path.realpath(os.fsdecode(args[0]))
            inside = path.startswith((str(self.folder), "/dev/", "/proc/"))
            if not inside and not any(name in path for name in ELSEWHERE):
                self.seen.append(f"writes {path}")

    @contextlib.contextmanager
    def watching(self, folder: Path, starts_processes: bool) -> Iterator[None]:
        self.folder, self.starts_processes, self.seen = folder.resolve(), starts_processes, []
        try:
            yield
        finally:
            self.folder = None


_watch = _Watch()


def run(main: Callable[[list[str]], None], args: list[str], folder: Path, starts_processes: bool = False) -> Outcome:
    """Run a command whose input and output are in `folder`, and check that it ends as promised."""
    out, err = io.StringIO(), io.StringIO()
    code = 0

    def hang(number: int, frame: FrameType | None) -> None:
        raise _Hang

    previous = signal.signal(signal.SIGALRM, hang)
    signal.alarm(LIMIT_SECONDS)
    try:
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            _watch.watching(folder, starts_processes),
        ):
            try:
                main(args)
            except _Hang as hung:
                raise AssertionError(f"{args} has not ended within {LIMIT_SECONDS} s") from hung
            except SystemExit as stopped:
                code = stopped.code if isinstance(stopped.code, int) else 1
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
    said = err.getvalue()
    assert not _watch.seen, (args, _watch.seen)
    assert code in (0, 2), (args, code, said)
    assert "Traceback" not in said, (args, said)
    if code == 2:
        errors = [line for line in said.splitlines() if line.startswith(("error: ", "Usage: "))]
        assert len(errors) == 1, (args, said)
        assert len(errors[0]) > len("error: ") + 10, (args, said)
    return Outcome(code, out.getvalue(), said)


def mutated(valid: bytes) -> st.SearchStrategy[bytes]:
    """Any bytes, or a valid file with some of its bytes replaced, inserted, removed, repeated or cut off."""

    def apply(edits: list[tuple[float, int, bytes]]) -> bytes:
        content = bytearray(valid)
        for place, count, new in edits:
            start = int(place * len(content))
            content[start : start + count] = new
        return bytes(content)

    junk = st.one_of(
        st.binary(max_size=6),
        st.sampled_from(
            [b'"', b"'", b"\n", b"\r", b"\x00", b"\t", b",", b"nan", b"-1", b"1e999", b"null", b"[", b"{", b"\xff"]
        ),
        st.text(max_size=4).map(lambda text: text.encode("utf-8", "surrogatepass")),
    )
    edit = st.tuples(st.floats(0, 1), st.integers(0, 8) | st.just(10**9), junk)
    whole = st.sampled_from([b"", valid.decode("latin-1").encode("utf-16"), b"\xef\xbb\xbf" + valid, valid + valid])
    return st.one_of(st.binary(max_size=300), st.lists(edit, min_size=1, max_size=4).map(apply), whole)
