from pathlib import Path

import numpy as np
import pytest
import soundfile

from stt.audio.io import AudioError, audio_info, read_audio
from stt.audio.ogg import damaged_at

RATE = 16_000


@pytest.fixture(params=["VORBIS", "OPUS"])
def ogg(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    noise = (0.1 * np.random.default_rng(0).standard_normal(10 * RATE)).astype(np.float32)
    soundfile.write(tmp_path / "a.ogg", noise, RATE, format="OGG", subtype=request.param)
    return tmp_path / "a.ogg"


def test_an_intact_file_has_no_damage(ogg: Path) -> None:
    assert damaged_at(ogg.read_bytes()) is None
    assert damaged_at(ogg.read_bytes() + b"TAG" + bytes(125)) is None
    assert audio_info(ogg, verify=True).duration == pytest.approx(10, abs=0.01)


@pytest.mark.parametrize("place", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("damage", ["flip", "remove", "cut"])
def test_damage_anywhere_is_found(ogg: Path, place: float, damage: str) -> None:
    content = bytearray(ogg.read_bytes())
    start = int(place * len(content))
    if damage == "flip":
        content[start] ^= 1
    else:
        del content[start : start + 100 if damage == "remove" else None]
    assert damaged_at(bytes(content)) is not None
    ogg.write_bytes(content)
    with pytest.raises(AudioError, match=r"a\.ogg: the Ogg file is damaged at byte"):
        audio_info(ogg, verify=True)


def test_audio_that_is_missing_in_the_middle_is_not_read_as_shorter_audio(ogg: Path) -> None:
    content = bytearray(ogg.read_bytes())
    content[len(content) // 2] ^= 1
    ogg.write_bytes(content)
    with pytest.raises(AudioError, match=r"the file is damaged, \d\.\d+ s of 10\.00 s could be decoded"):
        read_audio(ogg, RATE)
