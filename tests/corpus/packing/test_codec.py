from pathlib import Path
from typing import cast

import numpy as np
import pytest
import soundfile

from stt.audio.io import AudioError, read_audio
from stt.audio.ogg import damaged_at
from stt.audio.source import AudioSource
from stt.corpus.packing.codec import Codec, as_stored, check_rate, encode, reference, to_samples, verify
from stt.errors import InputError
from tests.corpus.engines import RATE, noise


@pytest.fixture(params=["opus", "flac"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> AudioSource:
    path = tmp_path / f"a.{request.param}"
    path.write_bytes(encode(noise(0, 2.0), request.param, RATE))
    return AudioSource(str(path))


def codec_of(stored: AudioSource) -> Codec:
    return cast(Codec, stored.address.rpartition(".")[2])


def test_encoding_twice_gives_the_same_bytes() -> None:
    assert encode(noise(0, 1.0), "opus", RATE) == encode(noise(0, 1.0), "opus", RATE)
    assert encode(noise(0, 1.0), "flac", RATE) == encode(noise(0, 1.0), "flac", RATE)
    assert damaged_at(encode(noise(0, 1.0), "opus", RATE)) is None


def test_what_was_encoded_is_verified_and_other_audio_is_not(stored: AudioSource) -> None:
    codec = codec_of(stored)
    verify(stored, reference(noise(0, 2.0), codec), codec, RATE)
    with pytest.raises(AudioError, match="are read back"):
        verify(stored, reference(noise(0, 1.5), codec), codec, RATE)
    if codec == "flac":
        with pytest.raises(AudioError, match="other samples are read back"):
            verify(stored, reference(noise(1, 2.0), codec), codec, RATE)


def test_sixteen_bits_survive_flac(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-32768, 32768, 5000).astype(np.int16)
    samples[:2] = -32768, 32767
    soundfile.write(tmp_path / "a.wav", samples, RATE)
    waveform = read_audio(tmp_path / "a.wav", RATE)
    np.testing.assert_array_equal(to_samples(waveform), samples)
    (tmp_path / "a.flac").write_bytes(encode(waveform, "flac", RATE))
    np.testing.assert_array_equal(read_audio(tmp_path / "a.flac", RATE), waveform)


def test_audio_that_is_stored_so_already_is_copied_and_all_other_is_not(stored: AudioSource, tmp_path: Path) -> None:
    codec, path = codec_of(stored), Path(stored.address)
    assert as_stored(stored, codec, RATE) == path.read_bytes()
    assert as_stored(stored, codec, 8_000) is None
    assert as_stored(stored, "flac" if codec == "opus" else "opus", RATE) is None
    soundfile.write(path.with_suffix(".wav"), noise(0, 1.0), RATE)
    assert as_stored(AudioSource(str(path.with_suffix(".wav"))), codec, RATE) is None
    (tmp_path / "other.bin").write_bytes(b"other" + path.read_bytes() + b"other")
    span = AudioSource(str(tmp_path / "other.bin"), 5, path.stat().st_size)
    assert as_stored(span, codec, RATE) == path.read_bytes()


def test_opus_has_some_rates_only() -> None:
    check_rate("flac", 11_025)
    with pytest.raises(InputError, match="Opus has 8000, 12000, 16000, 24000, 48000 Hz only"):
        check_rate("opus", 11_025)
