import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from stt.cli.main import main
from stt.corpus.open_stt import download as module
from stt.corpus.open_stt.download import choose, read_release
from stt.corpus.open_stt.tables import read_tables
from tests.corpus.test_fetch import Server, server  # noqa: F401
from tests.corpus.test_importers import RATE, run_import, texts

NAME = "asr_calls_2_val"
STEM = f"{NAME}/a/bc/def012345678"


@pytest.fixture
def release(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:  # noqa: F811
    """A mirror with one data set of one utterance."""
    speech, packed = io.BytesIO(), io.BytesIO()
    soundfile.write(speech, [0.1, -0.1] * (RATE // 2), RATE, format="WAV")
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for ending, content in {"wav": speech.getvalue(), "txt": "алло".encode()}.items():
            member = tarfile.TarInfo(f"{STEM}.{ending}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    table = f"{STEM}.wav,{STEM}.txt,1.0\n".encode()
    server.files = {f"/archives/{NAME}.tar.gz": packed.getvalue(), f"/manifests/{NAME}.csv": table}
    archive, manifest = (hashlib.md5(content).hexdigest() for content in server.files.values())
    one = {"gigabytes": 0.8, "archive": archive, "manifest": manifest, "texts": True}
    (tmp_path / "files.json").write_text(json.dumps({"root": "https://nowhere.invalid/", "sets": {NAME: one}}))
    monkeypatch.setattr(module, "RELEASE", tmp_path / "files.json")
    return server


def run(server: Server, out: Path, *options: str) -> None:  # noqa: F811
    with pytest.raises(SystemExit) as stopped:
        main(
            ["corpus", "download", "open_stt", "--out", str(out), "--root", f"{server.url}/", "--only", NAME, *options]
        )
    assert stopped.value.code == 0


def test_a_data_set_is_downloaded_extracted_and_imported(
    release: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release.limit = 300
    out = tmp_path / "corpus"
    run(release, out)
    assert "2 files extracted" in capsys.readouterr().out
    assert not (out / "archives" / f"{NAME}.tar.gz").exists()
    manifest = run_import("open_stt", out, tmp_path / "m.parquet", "--split", "validation")
    assert (texts(manifest), manifest.domains, manifest.value(0, "id")) == (
        ["алло"],
        ["calls"],
        f"{NAME}_abcdef012345678",
    )
    asked = len(release.asked)
    run(release, out)
    assert "was complete already" in capsys.readouterr().out
    assert len(release.asked) == asked


def test_archives_can_be_kept(release: Server, tmp_path: Path) -> None:
    run(release, tmp_path / "corpus", "--keep-archives")
    kept = tmp_path / "corpus" / "archives" / f"{NAME}.tar.gz"
    assert kept.read_bytes() == release.files[f"/archives/{NAME}.tar.gz"]


def test_wrong_content_is_one_sentence_and_leaves_nothing_of_it(
    release: Server, tmp_path: Path, fails: Callable[..., str]
) -> None:
    release.files[f"/archives/{NAME}.tar.gz"] = b"<html>please log in</html>"
    out = tmp_path / "corpus"
    command = ["corpus", "download", "open_stt", "--out", str(out), "--root", release.url, "--only", NAME]
    said = fails(main, command)
    assert "the MD5 sum is" in said
    assert [path.name for path in out.rglob("*") if path.is_file()] == [f"{NAME}.csv"]


def test_nothing_is_downloaded_unless_it_is_named(tmp_path: Path, fails: Callable[..., str]) -> None:
    command = ["corpus", "download", "open_stt", "--out", str(tmp_path / "corpus")]
    said = fails(main, command)
    assert "nothing was chosen" in said
    assert "radio_v4_manifest (176 GB)" in said
    assert "there is no data set golos" in fails(main, [*command, "--only", "golos"])
    assert not (tmp_path / "corpus").exists()


def test_the_release_and_the_tables_name_the_same_data_sets() -> None:
    root, sets = read_release()
    assert root.startswith("https://")
    assert sets.keys() == read_tables().keys()
    sums = [total for one in sets.values() for total in (one.archive, one.manifest)]
    assert len({total for total in sums if len(bytes.fromhex(total)) == 16}) == 38
    assert choose(["audiobook_2", "private_buriy_audiobooks_2", "radio_v4"]) == [
        "private_buriy_audiobooks_2",
        "radio_v4_manifest",
    ]
