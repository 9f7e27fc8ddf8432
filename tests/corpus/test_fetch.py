"""Downloads from a server that breaks off, lies and refuses."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from stt.corpus import fetch as module
from stt.corpus.fetch import MAX_DOWNLOADS, MAX_FAILURES, fetch
from stt.errors import InputError

CONTENT = np.random.default_rng(0).bytes(3_000_000)
SUM = hashlib.md5(CONTENT).hexdigest()


@dataclass
class Server:
    """What the server gives, how it misbehaves, and what it was asked for."""

    files: dict[str, bytes] = field(default_factory=dict)
    limit: int | None = None  # bytes after which a connection breaks off
    ranges: str = "right"  # right, ignored, shifted (an answer to another range), lying (content of another range)
    status: list[int] = field(default_factory=list)  # answers to the next requests
    length: bool = True  # whether answers tell their length
    asked: list[str] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    behaviour: Server

    def do_GET(self) -> None:
        server = self.behaviour
        wanted = self.headers.get("Range", "")
        server.asked.append(wanted)
        content = server.files.get(self.path)
        status = server.status.pop(0) if server.status else 200 if content is not None else 404
        if status != 200 or content is None:
            self.send_error(status)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and server.ranges != "ignored" else 0
        if start >= len(content) and start:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        body = content[0 if server.ranges == "lying" else start :][: len(content) - start]
        self.send_response(206 if start else 200)
        if start:
            claimed = start + 5 if server.ranges == "shifted" else start
            self.send_header("Content-Range", f"bytes {claimed}-{len(content) - 1}/{len(content)}")
        if server.length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.limit])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    behaviour = Server({"/a.bin": CONTENT})
    handler = type("Misbehaving", (Handler,), {"behaviour": behaviour})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        behaviour.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield behaviour
        running.shutdown()
        thread.join()


def get(server: Server, folder: Path, name: str = "a.bin", md5: str = SUM) -> list[tuple[int, int | None]]:
    progress: list[tuple[int, int | None]] = []
    fetch(f"{server.url}/{name}", folder / name, md5, lambda done, total: progress.append((done, total)))
    return progress


def test_a_file_is_downloaded_once(server: Server, tmp_path: Path) -> None:
    progress = get(server, tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert progress[-1] == (len(CONTENT), len(CONTENT))
    get(server, tmp_path)
    assert server.asked == [""]


def test_a_connection_that_breaks_off_is_resumed_where_it_ended(server: Server, tmp_path: Path) -> None:
    server.limit = 700_000
    get(server, tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert server.asked == ["", *(f"bytes={700_000 * i}-" for i in range(1, 5))]
    assert not list(tmp_path.glob("*.part"))


def test_an_earlier_process_is_resumed(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:1_234_567])
    get(server, tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert server.asked == ["bytes=1234567-"]


@pytest.mark.parametrize("size", [len(CONTENT), len(CONTENT) + 10])
def test_a_part_that_is_complete_or_too_long(server: Server, size: int, tmp_path: Path) -> None:
    (tmp_path / "a.bin.part").write_bytes((CONTENT + bytes(10))[:size])
    get(server, tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert len(server.asked) == (1 if size == len(CONTENT) else 2)


@pytest.mark.parametrize("ranges", ["ignored", "shifted", "lying"])
def test_a_server_without_ranges_or_with_wrong_ones_is_asked_for_the_whole(
    ranges: str, server: Server, tmp_path: Path
) -> None:
    server.ranges = ranges
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:1_000_000])
    get(server, tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert server.asked[0] == "bytes=1000000-"


def test_a_server_that_knows_no_ranges_and_breaks_off_is_given_up(server: Server, tmp_path: Path) -> None:
    server.ranges, server.limit = "ignored", 1_000_000
    with pytest.raises(InputError, match="attempts brought nothing new"):
        get(server, tmp_path)
    assert len(server.asked) == MAX_FAILURES + 1


def test_a_wrong_sum_is_tried_a_few_times(server: Server, tmp_path: Path) -> None:
    server.files["/a.bin"] = b"not found, but with status 200"
    with pytest.raises(InputError, match=f"instead of {SUM}, in {MAX_DOWNLOADS} downloads"):
        get(server, tmp_path)
    assert server.asked == [""] * MAX_DOWNLOADS
    assert not list(tmp_path.iterdir())


def test_damage_on_the_way_is_repaired_by_another_download(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.bin.part").write_bytes(b"damaged" + CONTENT[7:1_000_000])
    get(server, tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert server.asked == ["bytes=1000000-", ""]


def test_the_old_file_stays_if_the_new_one_cannot_be_had(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"mine")
    server.files.clear()
    with pytest.raises(InputError, match="the server answers 404"):
        get(server, tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == b"mine"
    assert server.asked == [""]


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.status = [503, 429, 500]
    get(server, tmp_path)
    assert len(server.asked) == 4


def test_a_length_need_not_be_told(server: Server, tmp_path: Path) -> None:
    server.length = False
    assert get(server, tmp_path)[-1] == (len(CONTENT), None)


def test_a_server_that_is_not_there_and_other_protocols(server: Server, tmp_path: Path) -> None:
    server.url = "http://127.0.0.1:9"
    with pytest.raises(InputError, match="attempts brought nothing new"):
        get(server, tmp_path)
    server.url = f"file://{tmp_path}"
    with pytest.raises(InputError, match="must begin with https"):
        get(server, tmp_path)
