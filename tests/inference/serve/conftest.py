"""The service over a recognizer of tones: in process, and behind a real port."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import soundfile
import uvicorn
from fastapi.testclient import TestClient

import stt
from stt.inference.serve.app import create_app
from stt.inference.serve.limits import Limits
from tests.conftest import RATE, spoken_in_tones

Open = Callable[..., AbstractContextManager[str]]


def flac(text: str, seed: int = 0) -> bytes:
    """Encode a text in tones."""
    content = io.BytesIO()
    soundfile.write(content, spoken_in_tones(text, seed), RATE, format="FLAC")
    return content.getvalue()


@pytest.fixture(scope="session")
def transcriber(trained: Path) -> stt.Transcriber:
    return stt.Transcriber(stt.load(trained / "checkpoints" / "best.ckpt"))


@pytest.fixture
def client(transcriber: stt.Transcriber) -> Iterator[TestClient]:
    """A client of the service in this process."""
    with TestClient(create_app(transcriber, "tones", Limits()), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def open_service(transcriber: stt.Transcriber) -> Open:
    """Run the service at a free port with some limits; gives its address."""

    @contextmanager
    def run(token: str | None = None, **limits: float) -> Iterator[str]:
        app = create_app(transcriber, "tones", Limits(**limits), token)  # type: ignore[arg-type]
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        host, port = server.servers[0].sockets[0].getsockname()
        try:
            yield f"http://{host}:{port}"
        finally:
            server.should_exit = True
            thread.join()

    return run
