"""Files that lhotse itself has written."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from stt.cli.main import main
from tests.corpus.test_importers import RATE, run_import, texts

lhotse = pytest.importorskip("lhotse", reason="lhotse is not installed: pip install '.[dev]'")
shar = pytest.importorskip("lhotse.shar")


@pytest.fixture
def cuts(tmp_path: Path) -> Any:
    """A whole recording, a window of it with one supervision, and one with two."""
    waveform = np.random.default_rng(0).uniform(-0.1, 0.1, 10 * RATE).astype(np.float32)
    soundfile.write(tmp_path / "long.wav", waveform, RATE)
    recording = lhotse.Recording.from_file(tmp_path / "long.wav")

    def spoken(name: str, start: float, duration: float, text: str) -> Any:
        return lhotse.SupervisionSegment(
            name, "long", start, duration, text=text, speaker="anna", language="en", custom={"domain": "radio"}
        )

    whole = recording.to_cut().with_id("whole")
    whole.supervisions = [spoken("s0", 0, 10, "all of it")]
    window = recording.to_cut().truncate(offset=2, duration=3).with_id("window")
    window.supervisions = [spoken("s1", 0, 3, "a part")]
    two = recording.to_cut().truncate(offset=5, duration=5).with_id("two")
    two.supervisions = [spoken("s2", 0.5, 1, "first"), spoken("s3", 2.5, 2, "second")]
    return lhotse.CutSet.from_cuts([whole, window, two])


def test_a_file_of_cuts(cuts: Any, tmp_path: Path) -> None:
    cuts.to_file(tmp_path / "cuts.jsonl.gz")
    manifest = run_import(
        "lhotse", tmp_path / "cuts.jsonl.gz", tmp_path / "m.parquet", "--domain", "{domain}_{language}"
    )
    assert texts(manifest) == ["all of it", "a part", "first", "second"]
    assert manifest.table["id"].to_pylist() == ["whole", "window", "s2", "s3"]
    assert [manifest.window(row) for row in range(4)] == [(0, 10), (2, 3), (5.5, 1), (7.5, 2)]
    assert manifest.table["offset"].null_count == 1
    assert manifest.table["speaker"].to_pylist() == ["anna"] * 4
    assert (manifest.domains, manifest.table["language"].to_pylist()) == (["radio_en"], ["en"] * 4)


@pytest.mark.parametrize("size", [2, None], ids=["shards", "one-shard"])
def test_audio_of_shar_is_read_from_its_place_in_the_tar(cuts: Any, size: int | None, tmp_path: Path) -> None:
    folder = tmp_path / "shar"
    folder.mkdir()
    with shar.SharWriter(str(folder), fields={"recording": "flac"}, shard_size=size) as writer:
        for cut in cuts:
            writer.write(cut)
    manifest = run_import("lhotse", folder, tmp_path / "m.parquet")
    assert texts(manifest) == ["all of it", "a part", "first", "second"]
    assert manifest.domains == ["shar"]
    loaded = [cut.load_audio()[0] for cut in lhotse.CutSet.from_shar(in_dir=folder)]
    expected = [*loaded[:2], loaded[2][RATE // 2 : RATE + RATE // 2], loaded[2][5 * RATE // 2 : 9 * RATE // 2]]
    for row in range(4):
        assert np.allclose(manifest.waveform(row, RATE), expected[row], atol=1e-6)
        assert manifest.value(row, "byte_offset")
    assert not list(tmp_path.rglob("*.flac"))


def test_cuts_that_a_manifest_cannot_describe_are_bad_rows(cuts: Any, tmp_path: Path) -> None:
    whole = cuts["whole"]
    mixed = whole.mix(cuts["window"], offset_other_by=1.0).with_id("mixed")
    silent = whole.with_id("silent")
    silent.supervisions = []
    soundfile.write(tmp_path / "stereo.wav", np.zeros((RATE, 2)) + 0.1, RATE)
    left = lhotse.Recording.from_file(tmp_path / "stereo.wav").to_cut().to_mono()[0].with_id("left")
    left.supervisions = whole.supervisions
    lhotse.CutSet.from_cuts([mixed, whole.perturb_speed(1.1).with_id("fast"), silent, left, whole]).to_file(
        tmp_path / "cuts.jsonl"
    )
    with (tmp_path / "cuts.jsonl").open("a") as file:
        file.write('{"id": 5}\n[]\n')
    manifest = run_import("lhotse", tmp_path / "cuts.jsonl", tmp_path / "m.parquet", "--skip-bad")
    assert manifest.table["id"].to_pylist() == ["whole"]
    reasons = (tmp_path / "m.bad.csv").read_text().splitlines()[1:]
    expected = ["MixedCut", "transformed", "no supervision", "one channel of several", "id is not", "not a JSON object"]
    assert len(reasons) == len(expected)
    for row, reason in zip(reasons, expected, strict=True):
        assert reason in row


def test_a_truncated_tar_and_a_truncated_file_of_cuts(cuts: Any, tmp_path: Path, fails: Callable[..., str]) -> None:
    folder = tmp_path / "shar"
    folder.mkdir()
    with shar.SharWriter(str(folder), fields={"recording": "wav"}) as writer:
        for cut in cuts:
            writer.write(cut)
    tar = folder / "recording.000000.tar"
    content = tar.read_bytes()
    tar.write_bytes(content[: len(content) * 2 // 3])
    manifest = run_import("lhotse", folder, tmp_path / "m.parquet", "--skip-bad")
    assert texts(manifest) == ["all of it"]
    assert "recording.000000.tar ends in the middle of window.wav" in (tmp_path / "m.bad.csv").read_text()
    shard = folder / "cuts.000000.jsonl.gz"
    shard.write_bytes(shard.read_bytes()[:-20])
    command = ["corpus", "import", "lhotse", str(folder), "--out", str(tmp_path / "m.parquet")]
    assert "damaged or incomplete" in fails(main, command)


def test_paths_in_cuts_may_be_relative_to_the_cuts(cuts: Any, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    cuts.to_file(tmp_path / "cuts.jsonl.gz")
    moved = gzip.decompress((tmp_path / "cuts.jsonl.gz").read_bytes()).decode().replace(f"{tmp_path}/", "")
    (tmp_path / "cuts.jsonl").write_text(moved)
    assert json.loads(moved.splitlines()[0])["recording"]["sources"][0]["source"] == "long.wav"
    assert len(run_import("lhotse", tmp_path / "cuts.jsonl", tmp_path / "m.parquet")) == 4
