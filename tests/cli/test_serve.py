import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from stt.cli.main import main
from tests.conftest import ROOT


@pytest.fixture
def checkpoint(trained: Path) -> str:
    return str(trained / "checkpoints" / "best.ckpt")


def test_a_port_in_use_is_one_sentence(fails: Callable[..., str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = fails(main, ["serve", "no.ckpt", "--port", str(port)])  # found before the model is loaded
    assert (
        said == f"error: --host 127.0.0.1 --port {port}: cannot listen there (Address already in use): choose another\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["empty"], "empty: "),
        (["missing.ckpt"], "missing.ckpt: "),
        (["notes.txt"], "notes.txt: not a checkpoint"),
        (["CKPT", "--host", "no such host"], "--host no such host --port 0: cannot listen there"),
        (["CKPT", "--host", "192.0.2.1"], "--host 192.0.2.1 --port 0: cannot listen there"),
        (["CKPT", "--port", "70000"], "Invalid value for '--port'"),
        (["CKPT", "--max-megabytes", "0"], "Invalid value for '--max-megabytes'"),
        (["CKPT", "--lm", "missing.binary"], "missing.binary"),
        (["CKPT", "--decoder", "missing.yaml"], "missing.yaml"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str],
    message: str,
    checkpoint: str,
    tmp_path: Path,
    fails: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("nothing")
    arguments = [checkpoint if argument == "CKPT" else argument for argument in arguments]
    assert message in fails(main, ["serve", *arguments, *(() if "--port" in arguments else ("--port", "0"))])


def test_an_empty_token_is_refused(fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STT_TOKEN", "")
    assert "STT_TOKEN is empty" in fails(main, ["serve", "no.ckpt"])


@pytest.mark.parametrize("module", ["uvicorn", "fastapi", "python_multipart"])
def test_a_missing_extra_is_named(module: str, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    declared = re.findall(
        r'^  "([^"]+)"', (ROOT / "pyproject.toml").read_text().partition("\nserve = [")[2], re.MULTILINE
    )
    monkeypatch.setattr("stt.errors.requires", lambda _: [f'{one}; extra == "serve"' for one in declared[:3]])
    monkeypatch.delitem(sys.modules, "stt.inference.serve.app", raising=False)
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    assert "the extra 'serve'" in fails(main, ["serve", "no.ckpt", "--port", "0"])


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_stopped_and_says_nothing_more(checkpoint: str, ending: signal.Signals) -> None:
    command = [sys.executable, "-m", "stt", "serve", checkpoint, "--port", "0", "--threads", "1", "--device", "cpu"]
    environment = {name: value for name, value in os.environ.items() if name != "STT_TOKEN"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as service:
        try:
            assert service.stdout
            found = re.fullmatch(r"listening at (http://127\.0\.0\.1:\d+), Ctrl-C stops\n", service.stdout.readline())
            assert found
            with urllib.request.urlopen(f"{found[1]}/health", timeout=60) as answer:
                assert answer.read() == b'{"status":"ok"}'
        finally:
            service.send_signal(ending)
        out, err = service.communicate(timeout=60)
    assert (out, err) == ("", "")
    assert service.returncode == {signal.SIGINT: 0, signal.SIGTERM: -signal.SIGTERM}[ending]
