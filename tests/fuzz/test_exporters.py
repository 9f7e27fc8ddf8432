"""Every exporter, on any manifest."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from stt.cli.main import main
from stt.corpus.exporters import exporters
from tests.fuzz.harness import fuzzed, mutated, run

ROWS = [
    {"id": "a/1", "audio": "a.wav", "text": "one two", "duration": 0.5, "domain": "radio", "speaker": "anna", "n": 1},
    {"audio": "a.wav", "text": "three", "duration": 0.25, "domain": "calls", "offset": 0.25, "tags": ["x"], "cer": 0.5},
    {"audio": "b.bin", "text": "", "duration": 0.5, "domain": "calls", "byte_offset": 3, "byte_length": 8044},
]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


@pytest.mark.parametrize("name", ["m.jsonl", "b.bin"])
@pytest.mark.parametrize("kind", sorted(exporters()))
@fuzzed
@given(data=st.data())
def test_a_manifest(kind: str, name: str, data: st.DataObject, tmp_path: Path) -> None:
    wav = io.BytesIO()
    soundfile.write(wav, 0.1 * np.random.default_rng(0).standard_normal(4000).astype(np.float32), 8000, format="WAV")
    files = {"a.wav": wav.getvalue(), "b.bin": b"xyz" + wav.getvalue(), "m.jsonl": LINES}
    for one, valid in files.items():
        (tmp_path / one).write_bytes(data.draw(mutated(valid)) if one == name else valid)
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    outcome = run(main, ["corpus", "export", kind, str(tmp_path / "m.jsonl"), "--out", str(tmp_path / "out")], tmp_path)
    assert (tmp_path / "out").exists() == (outcome.code == 0)
    assert {path.name for path in tmp_path.iterdir()} <= {*files, "out"}
