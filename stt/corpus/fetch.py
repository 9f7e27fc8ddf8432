"""Download of large files that resumes when the connection breaks, compared with an MD5 sum while it streams."""

from __future__ import annotations

import hashlib
import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from stt.errors import FULL, InputError, reason

BLOCK_BYTES = 1 << 20
TIMEOUT_SECONDS = 60
MAX_FAILURES = 5  # of connections in a row that bring nothing new
MAX_DOWNLOADS = 3  # of a file whose sum is wrong
RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})  # HTTP status codes that may pass
CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)")

Advance = Callable[[int, int | None], None]  # bytes that are there, and of the whole file if that is known


class _RefusedError(InputError):
    """The server refuses for good."""


def fetch(url: str, path: Path, md5: str, advance: Advance, wait_seconds: float = 1.0) -> None:
    """Download a file, unless it is there already; until it is complete and right, it is called `PATH.part`.

    What an earlier attempt has written is not downloaded again. A connection that breaks is opened again after a
    growing pause, as long as it brings something new; a file with a wrong sum is downloaded again from its start.

    Args:
        url: an address, https:// or http://.
        path: where to store the file.
        md5: its sum, hexadecimal.
        advance: told the progress.
        wait_seconds: the first pause; each further one is twice as long.

    Raises:
        InputError: the server refuses, the connection breaks too often, or the sum is wrong in every download.
    """
    if not url.lower().startswith(("https://", "http://")):
        raise InputError(f"{url}: an address must begin with https:// or http://")
    if path.is_file() and _Part(path, advance).md5 == md5:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _Part(path.with_name(f"{path.name}.part"), advance)
    for _ in range(MAX_DOWNLOADS):
        _complete(url, part, wait_seconds)
        found = part.md5
        if found == md5:
            part.path.replace(path)
            return
        part.restart()
    raise InputError(f"{url}: the MD5 sum is {found} instead of {md5}, in {MAX_DOWNLOADS} downloads")


class _Part:
    """What is there of a file, with its sum so far."""

    def __init__(self, path: Path, advance: Advance) -> None:
        self.path, self._advance = path, advance
        self.restart(keep=True)
        if path.is_file():
            total = path.stat().st_size
            with path.open("rb") as file:
                while block := file.read(BLOCK_BYTES):
                    self._take(block, total)

    @property
    def md5(self) -> str:
        return self._digest.hexdigest()

    def restart(self, keep: bool = False) -> None:
        """Forget what is there."""
        self.size = 0
        self._digest = hashlib.md5(usedforsecurity=False)
        if not keep:
            self.path.unlink(missing_ok=True)

    def append(self, response: http.client.HTTPResponse, total: int | None) -> None:
        """Store what an answer brings, until it ends or breaks off."""
        with self.path.open("ab") as file:
            while block := response.read(BLOCK_BYTES):
                file.write(block)
                self._take(block, total)

    def _take(self, block: bytes, total: int | None) -> None:
        self._digest.update(block)
        self.size += len(block)
        self._advance(self.size, total)


def _complete(url: str, part: _Part, wait_seconds: float) -> None:
    """Download what a file lacks, over as many connections as it takes."""
    failures, best = 0, part.size
    while True:
        try:
            if _receive(url, part):
                return
            problem = "the connection breaks off"
        except _RefusedError:
            raise
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and (error.errno in FULL or isinstance(error.filename, str)):
                raise  # about the disk, not the connection
            problem = reason(error)
        failures = 0 if part.size > best else failures + 1
        best = max(best, part.size)
        if failures == MAX_FAILURES:
            raise InputError(f"{url}: cannot be downloaded, {MAX_FAILURES} attempts brought nothing new ({problem})")
        time.sleep(wait_seconds * 2**failures)


def _receive(url: str, part: _Part) -> bool:
    """Append what one connection brings; return whether the file is complete."""
    headers = {"User-Agent": "stt", "Accept-Encoding": "identity"}
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and part.size:
            if error.headers.get("Content-Range") == f"bytes */{part.size}":
                return True  # nothing was left
            part.restart()
            return False
        if error.code in RETRIED:
            raise ConnectionError(f"{error.code} {error.reason}") from error
        raise _RefusedError(f"{url}: the server answers {error.code} {error.reason}") from error
    with response:
        start, total = _span(response)
        if start != part.size:  # the server knows no ranges, or sends another one
            part.restart()
        if start != part.size:
            return False
        part.append(response, total)
    return total is None or part.size == total


def _span(response: http.client.HTTPResponse) -> tuple[int, int | None]:
    """Return the byte of the file that an answer begins with, and the length of the file if it is known."""
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        return 0, response.length
    match = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if match is None:
        return -1, None
    return int(match[1]), None if match[2] == "*" else int(match[2])
