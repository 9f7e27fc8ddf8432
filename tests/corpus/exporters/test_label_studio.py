"""Tasks for Label Studio. Version 1.23.2 has imported such tasks; what it exports is in tests/curation/review."""

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from stt.cli.main import main
from stt.corpus.manifest import Manifest, read_manifest, write_manifest
from tests.corpus.exporters.conftest import RATE, noise, write, write_one
from tests.corpus.exporters.test_round_trip import export, waveforms
from tests.curation.review.manifests import write_rejected


def tasks(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "tasks.json").read_text())


def test_a_task_has_the_text_and_the_hypothesis_as_predictions(tmp_path: Path) -> None:
    export("label_studio", write_rejected(tmp_path / "corpus"), tmp_path / "out", "--audio-url", "https://a.example/x")
    first, _, third, fourth, *_ = tasks(tmp_path / "out")
    assert first["data"] == {
        "audio": "https://a.example/x/audio/00000/00000000.flac",
        "utterance": "u1",
        "text": "one two",
        "hypothesis": "one too",
        "domain": "calls",
        "duration": 0.5,
        "cer": 0.3,
        "rule": "cer",
        "figure": 0.3,
        "limit": 0.2,
        "about": "calls, 0.5 s, cer 0.3 (limit 0.2)",
    }
    assert [(one["model_version"], one["score"]) for one in first["predictions"]] == [
        ("text", 0.7),
        ("hypothesis", 0.7),
    ]
    assert first["predictions"][1]["result"][0]["value"] == {"text": ["one too"]}
    assert (third["data"]["hypothesis"], len(third["predictions"])) == ("", 1)
    assert len(fourth["predictions"]) == 1  # it was labelled with its hypothesis


def test_the_interface_shows_fields_of_every_task_and_predictions_fill_its_controls(tmp_path: Path) -> None:
    export("label_studio", write_rejected(tmp_path / "corpus"), tmp_path / "out")
    interface = ElementTree.parse(tmp_path / "out" / "labelling.xml").getroot()
    shown = {tag.get("value", "")[1:] for tag in interface.iter() if tag.get("value", "").startswith("$")}
    controls = {tag.get("name"): tag.tag.lower() for tag in interface.iter() if tag.get("toName") == "audio"}
    for task in tasks(tmp_path / "out"):
        assert shown <= set(task["data"])
        for result in (result for one in task["predictions"] for result in one["result"]):
            assert controls[result["from_name"]] == result["type"]


def test_every_task_has_a_clip_of_its_own_that_sounds_the_same(parts: Manifest, tmp_path: Path) -> None:
    export("label_studio", parts, tmp_path / "out", "--audio-url", "/data/local-files/?d=")
    expected = waveforms(parts)
    for task in tasks(tmp_path / "out"):
        name = task["data"]["audio"].removeprefix("/data/local-files/?d=")
        waveform, rate = soundfile.read(tmp_path / "out" / name, dtype="float32", always_2d=True)
        assert rate == RATE
        assert np.allclose(waveform.mean(axis=1), expected[task["data"]["utterance"]], atol=1e-4)


def test_a_window_at_the_start_that_does_not_say_so_is_cut_out(parts: Manifest, tmp_path: Path) -> None:
    rows = [row | {"offset": row["offset"] or None} for row in parts.table.to_pylist() if row["audio"] == "long.wav"]
    manifest = parts.path.with_name("windows.parquet")
    write_manifest(pa.Table.from_pylist(rows), manifest, "plain-1")
    export("label_studio", read_manifest(manifest), tmp_path / "out")
    names = [task["data"]["audio"].removeprefix("http://localhost:8081/") for task in tasks(tmp_path / "out")]
    assert [soundfile.info(tmp_path / "out" / name).duration for name in names] == pytest.approx([2.0, 1.25])


def test_audio_is_in_formats_that_browsers_play(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    names = ["a.wav", "b.ogg", "c.au", "d.mp3"]
    for i, name in enumerate(names):
        soundfile.write(folder / name, noise(1, i), RATE)
    export(
        "label_studio",
        write(folder, [{"id": name, "audio": name, "text": "x", "duration": 1.0} for name in names]),
        tmp_path / "out",
    )
    written = [Path(task["data"]["audio"]).suffix for task in tasks(tmp_path / "out")]
    assert written == [".flac", ".ogg", ".flac", ".mp3"]
    assert (tmp_path / "out" / "audio" / "00000" / "00000001.ogg").read_bytes() == (folder / "b.ogg").read_bytes()


def test_a_column_that_label_studio_would_overwrite_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export("label_studio", write_one(tmp_path / "corpus", decision="mine", annotator="me"), tmp_path / "out")
    said = capsys.readouterr().out
    for name in ("decision", "annotator"):
        assert f"not carried: the column {name}, whose name the format itself uses: 1 rows" in said
        assert name not in tasks(tmp_path / "out")[0]["data"]


def test_utterances_that_nobody_can_hear_are_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fails: Callable[..., str]
) -> None:
    manifest = write_rejected(tmp_path / "corpus")
    (tmp_path / "corpus" / "1.wav").write_bytes(b"RIFF")
    export("label_studio", manifest, tmp_path / "out")
    assert [task["data"]["utterance"] for task in tasks(tmp_path / "out")] == ["u1", "u3", "u4", "u5", "u6"]
    said = capsys.readouterr().out
    assert "left out, because their audio cannot be read: 1 utterances: u2" in said
    assert "\n5 rows" in said
    for path in (tmp_path / "corpus").glob("*.wav"):
        path.unlink()
    arguments = ["corpus", "export", "label_studio", str(manifest.path), "--out", str(tmp_path / "none")]
    assert "the audio of no utterance can be read" in fails(main, arguments)
    assert not (tmp_path / "none").exists()
