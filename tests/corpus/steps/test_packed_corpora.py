"""Packed corpora are trained on, tested and reported as they are, beside the manifest and over HTTP."""

import http.server
import json
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from stt.cli.main import main as stt
from stt.cli.train import main
from stt.corpus.manifest import read_manifest
from stt.corpus.steps.pack import run
from tests.audio.test_source import Ranges
from tests.conftest import MICRO, RATE
from tests.corpus.engines import Threads

pytestmark = pytest.mark.slow  # a training, and another one by data workers


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """URL of the temporary folder over HTTP."""
    handler = partial(Ranges, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.mark.parametrize("remote", [False, True])
def test_a_packed_corpus_is_trained_on_tested_and_reported(
    tones: Path, tokenizer_file: Path, tmp_path: Path, server: str, remote: bool
) -> None:
    url = f"{server}/packed" if remote else ""
    manifest = run(
        read_manifest(tones), out=tmp_path / "packed", engine=Threads(), codec="flac", sample_rate=RATE, url=url
    )
    assert manifest.audio(0).address.startswith("http://") == remote
    splits = [f"--data.{split}={manifest.path}" for split in ("train", "validate")]
    tokenizer = f"--model.tokenizer={tokenizer_file}"
    fit = tmp_path / "fit"
    main(["fit", f"--config={MICRO}", tokenizer, *splits, f"--run={fit}", "--data.num_workers=2"])
    assert not list(fit.rglob("skipped.csv"))
    last = fit / "checkpoints" / "last.ckpt"
    tested = {}
    for folder, path in ((tmp_path / "single", tones), (fit, manifest.path)):
        main(["test", f"--ckpt_path={last}", f"--run={folder}", f"--data.test={path}", "--data.num_workers=2"])
        tested[folder.name] = json.loads((folder / "test_metrics.json").read_text())["domains"]
    assert tested["fit"] == tested["single"]
    with pytest.raises(SystemExit) as done:
        stt(["report", str(fit), "--out", str(tmp_path / "report.html")])
    assert done.value.code == 0
    assert "data:audio" in (tmp_path / "report.html").read_text()
