"""The service behind a real port: OpenAI's client, many clients at once, and clients that misbehave."""

import io
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest
import soundfile

from stt.errors import InputError
from stt.inference.serve import uploads
from tests.conftest import RATE, spoken_in_tones
from tests.inference.serve.conftest import Open, flac

TEXTS = ["ab cad e", "dab", "e", "bad cab", "ace", "dc ba"]


def connect(address: str, token: str = "none") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{address}/v1", api_key=token, max_retries=0)


def send(address: str, head: str, body: bytes = b"") -> socket.socket:
    """Begin an upload without a client's manners."""
    host, port = address.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    connection.sendall(f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: {host}\r\n{head}\r\n\r\n".encode() + body)
    return connection


def status(connection: socket.socket) -> int:
    return int(connection.recv(1 << 16).split(b" ", 2)[1])


def form(content: bytes) -> tuple[str, bytes]:
    """Return the head and the body of an upload."""
    parts = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n'
    parts += b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + content + b"\r\n--x--\r\n"
    return "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: ", parts


def long_recording(words: int) -> bytes:
    content = io.BytesIO()
    soundfile.write(content, spoken_in_tones("ab " * words), RATE, format="FLAC")
    return content.getvalue()


def test_the_official_client_works(open_service: Open, tmp_path: Path) -> None:
    (tmp_path / "speech.flac").write_bytes(flac("ab cad e"))
    with open_service(token="secret") as address:
        client = connect(address, "secret")
        assert [model.id for model in client.models.list()] == ["tones"]
        assert client.models.retrieve("tones").id == "tones"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("whisper-1")
        create = client.audio.transcriptions.create
        path = tmp_path / "speech.flac"
        assert create(model="whisper-1", file=path).text == "ab cad e"
        assert "00:00:00," in create(model="whisper-1", file=path, response_format="srt")
        verbose = create(
            model="whisper-1",
            file=path,
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
            language="en",
            prompt="tones",
            temperature=0.2,
        )
        assert [word.word for word in verbose.words or []] == ["ab", "cad", "e"]
        assert [segment.text for segment in verbose.segments or []] == ["ab cad e"]
        assert verbose.usage
        assert verbose.usage.seconds == 2
        with pytest.raises(openai.BadRequestError) as bad:
            create(model="whisper-1", file=b"nothing")
        assert bad.value.type == "invalid_request_error"
        with pytest.raises(openai.AuthenticationError):
            connect(address, "wrong").models.list()


def test_many_clients_at_once_get_their_own_texts(open_service: Open) -> None:
    with open_service() as address:

        def ask(number: int) -> bool:
            text = TEXTS[number % len(TEXTS)]
            with connect(address) as client:
                return client.audio.transcriptions.create(model="m", file=flac(text, number)).text == text

        with ThreadPoolExecutor(12) as threads:
            assert all(threads.map(ask, range(48)))


def test_too_many_at_once_are_told_to_come_back(open_service: Open) -> None:
    with open_service(requests=1) as address, connect(address) as client:
        head, body = form(long_recording(100))
        waiting = send(address, f"{head}{len(body)}", body[:-10])
        refused = None
        while not refused:  # until the other upload has begun
            try:
                client.audio.transcriptions.create(model="m", file=flac("ab"))
            except openai.RateLimitError as error:
                refused = error
        assert refused.response.headers["retry-after"] == "1"
        waiting.sendall(body[-10:])
        assert status(waiting) == 200
        waiting.close()
        for _ in range(20):  # the place of an answer is free before the client has it
            assert client.audio.transcriptions.create(model="m", file=flac("ab")).text == "ab"


def test_the_size_is_what_arrives_and_not_what_is_declared(open_service: Open) -> None:
    head, body = form(bytes(3_000_000))
    with open_service(upload_bytes=1_000_000) as address:
        assert status(send(address, f"{head}4294967296", b"--x")) == 413
        assert status(send(address, f"{head}99999999999999999999999", b"--x")) in (400, 413)
        assert status(send(address, f"{head}-1", b"--x")) == 400
        assert status(send(address, f"{head}10", body)) == 400
        chunked = head.replace("Content-Length: ", "Transfer-Encoding: chunked")
        connection = send(address, chunked)
        connection.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        assert status(connection) == 413
        with connect(address) as client:
            with pytest.raises(openai.APIStatusError) as refused:
                client.audio.transcriptions.create(model="m", file=bytes(1_500_000))
            assert refused.value.status_code == 413
            assert client.audio.transcriptions.create(model="m", file=flac("ab")).text == "ab"


def test_what_takes_too_long_is_ended(open_service: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    head, body = form(flac("ab"))
    with open_service(seconds=0.5) as address, connect(address) as client:
        assert status(send(address, f"{head}{len(body)}", body[:-10])) == 408
        monkeypatch.setattr(uploads, "audio_blocks", _endless)
        with pytest.raises(openai.APIStatusError) as ended:
            client.audio.transcriptions.create(model="m", file=flac("ab"))
        assert ended.value.status_code == 408


def _endless(*_: object, **__: object) -> Iterator[object]:
    while True:
        time.sleep(0.02)
        yield spoken_in_tones("ab " * 20)


def test_nothing_stays_when_clients_hang_up(
    open_service: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    content = io.BytesIO()
    soundfile.write(content, spoken_in_tones("ab " * 400), RATE, format="WAV", subtype="FLOAT")  # 8 MB: in a file
    head, body = form(content.getvalue())
    with open_service(requests=1) as address, connect(address) as client:
        open_before = len(os.listdir("/proc/self/fd"))
        for sent in (100, len(body) // 2, len(body)):
            connection = send(address, f"{head}{len(body)}", body[:sent])
            time.sleep(0.2)
            connection.close()
            deadline = time.monotonic() + 20
            while len(os.listdir("/proc/self/fd")) > open_before and time.monotonic() < deadline:
                time.sleep(0.05)
            assert len(os.listdir("/proc/self/fd")) <= open_before
            assert list(tmp_path.iterdir()) == []
        retrying = client.with_options(max_retries=5)
        assert retrying.audio.transcriptions.create(model="m", file=flac("ab")).text == "ab"  # the only one at once


def test_a_service_that_stops_ends_what_runs(open_service: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "audio_blocks", _endless)
    with open_service() as address, connect(address) as client:

        def ask() -> None:
            with pytest.raises((openai.APIError, InputError)):
                client.audio.transcriptions.create(model="m", file=flac("ab"))

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(0.5)
    asking.join(10)  # leaving the block ended the server, which waits for its threads
    assert not asking.is_alive()
