import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stt.audio.io import AudioError, AudioInfo, audio_info
from stt.audio.source import AudioSource
from stt.corpus import verified
from tests.corpus.test_importers import run_import, sound


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are verified, one after the other."""
    names: list[str] = []

    def slow(source: AudioSource, verify: bool) -> AudioInfo:
        assert verify
        names.append(Path(source.address).name)
        time.sleep(0.05)
        return audio_info(source, verify)

    monkeypatch.setattr(verified, "audio_info", slow)
    monkeypatch.setattr(verified, "_recent", OrderedDict())
    return names


def test_a_recording_is_verified_once_for_all_of_its_segments(tmp_path: Path, read: list[str]) -> None:
    sound(tmp_path / "1.wav", 10)
    (tmp_path / "2.wav").write_bytes(b"RIFFnothing")
    segments = [f"{1 + i // 10}.wav,a,d,{i % 10},1" for i in range(20)]
    (tmp_path / "t.csv").write_text("\n".join(["audio,text,domain,offset,duration", *segments]))
    assert len(run_import("table", tmp_path / "t.csv", tmp_path / "m.parquet", "--skip-bad")) == 10
    assert sorted(read) == ["1.wav", "2.wav"]
    assert (tmp_path / "m.bad.csv").read_text().count("unreadable audio") == 10


def test_changed_audio_is_verified_again_and_few_are_remembered(
    tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verified, "RECENT", 2)
    source = AudioSource(str(sound(tmp_path / "1.wav", 1)))
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(verified.verified_duration, [source] * 8)) == {1.0}
    sound(tmp_path / "1.wav", 2)
    assert verified.verified_duration(source) == 2.0
    for name in ("2.wav", "3.wav"):
        verified.verified_duration(AudioSource(str(sound(tmp_path / name))))
    assert verified.verified_duration(source) == 2.0
    assert read == ["1.wav", "1.wav", "2.wav", "3.wav", "1.wav"]
    (tmp_path / "1.wav").unlink()
    with pytest.raises(AudioError, match="missing"):
        verified.verified_duration(source)
