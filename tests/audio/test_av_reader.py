import uuid
from pathlib import Path

import av
import fsspec
import numpy as np
import pytest
import soundfile

from stt.audio import av_reader
from stt.audio.io import AudioError, audio_info, durations_agree, read_audio
from stt.audio.source import AudioSource
from tests.audio.encoding import chirp, encode, video_without_sound, without_packets

RATE = 16_000
FORMATS = [  # name, codec, rate, samples that the decoded file may be longer
    ("a.m4a", "aac", 44_100, 0),
    ("a.mp4", "aac", 8_000, 0),
    ("alac.m4a", "alac", 44_100, 0),
    ("opus.mp4", "libopus", 48_000, 0),
    ("mp3.mp4", "libmp3lame", 44_100, 1_152),
    ("a.3gp", "libopencore_amrnb", 8_000, 0),
    ("a.mov", "pcm_s16le", 22_050, 0),
    ("a.webm", "libopus", 48_000, 0),
    ("a.mkv", "aac", 44_100, 1_024),
    ("a.mka", "flac", 192_000, 0),
    ("pcm.mka", "pcm_f32le", 48_000, 0),
    ("a.avi", "libmp3lame", 44_100, 2_304),
    ("a.aac", "aac", 16_000, 2_048),
    ("a.amr", "libopencore_amrnb", 8_000, 320),
    ("g722.wav", "g722", 16_000, 0),
]


@pytest.mark.parametrize(("name", "codec", "rate", "padding"), FORMATS)
def test_a_chirp_is_where_it_was_in_every_format(
    tmp_path: Path, name: str, codec: str, rate: int, padding: int
) -> None:
    original = chirp(rate, 3.3)
    waveform = read_audio(encode(tmp_path / name, codec, original, rate), rate)
    assert waveform.dtype == np.float32
    assert 0 <= len(waveform) - len(original) <= padding
    # Raw AAC and AVI do not tell the delay of the encoder; AMR and G.722 have one of their own.
    slack = {"a.aac": 1_024, "a.avi": 1_152, "a.amr": 64, "a.3gp": 64, "g722.wav": 32}.get(name, 0)
    lag = delay(waveform, original)
    assert abs(lag) <= slack
    inside = slice(rate // 4, 3 * rate)
    error = np.roll(waveform, -lag)[inside] - original[inside]
    # AMR is a model of speech, which a chirp is not.
    assert np.sqrt((error**2).mean()) < (0.2 if "amr" in codec else 0.02)


def delay(waveform: np.ndarray, original: np.ndarray) -> int:
    """By how many samples a waveform lags, from its cross-correlation with the original."""
    size = 2 * max(len(waveform), len(original))
    correlation = np.fft.irfft(np.fft.rfft(waveform, size) * np.conj(np.fft.rfft(original, size)), size)
    lag = int(correlation.argmax())
    return lag if lag < size // 2 else lag - size


@pytest.mark.parametrize(("name", "codec", "rate"), [case[:3] for case in FORMATS])
def test_a_window_equals_a_slice_of_the_whole(tmp_path: Path, name: str, codec: str, rate: int) -> None:
    path = encode(tmp_path / name, codec, chirp(rate, 8.2), rate)
    whole = read_audio(path, rate)
    # After a seek, AMR needs longer than others to forget what it has not heard.
    tolerance = 0.01 if name == "a.3gp" else 1e-6
    for offset in (0.0, 0.3, 0.99, 1.2, 2.71828, 5.0, 7.654321):
        start = round(offset * rate)
        window = read_audio(path, rate, offset, 0.5)
        np.testing.assert_allclose(window, whole[start : start + len(window)], atol=tolerance)
        assert len(window) == round(0.5 * rate)
        np.testing.assert_allclose(read_audio(path, rate, offset), whole[start:], atol=tolerance)


@pytest.mark.parametrize(("name", "codec", "rate"), [case[:3] for case in FORMATS])
def test_the_duration_is_that_of_the_decoded_audio(tmp_path: Path, name: str, codec: str, rate: int) -> None:
    path = encode(tmp_path / name, codec, chirp(rate, 3.3), rate)
    info = audio_info(path, verify=True)
    assert info.sample_rate == rate
    assert info.duration == pytest.approx(len(read_audio(path, rate)) / rate, abs=0.03)
    assert durations_agree(3.3, info.duration)


def test_wma_is_read(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.wma", "wmav2", chirp(44_100, 5), 44_100)
    whole = read_audio(path, 44_100)
    assert durations_agree(5, len(whole) / 44_100)
    assert durations_agree(5, audio_info(path, verify=True).duration)
    assert abs(delay(whole, chirp(44_100, 5))) <= 4_096
    np.testing.assert_array_equal(read_audio(path, 44_100, 3.1, 0.5), whole[136_710:158_760])


def test_an_offset_is_reached_without_decoding_what_is_far_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    mono = av_reader._mono
    monkeypatch.setattr(av_reader, "_mono", lambda frame: decoded.append(frame.samples) or mono(frame))
    for name, codec in (("a.m4a", "aac"), ("a.webm", "libopus")):
        path = encode(tmp_path / name, codec, chirp(48_000, 20), 48_000)
        decoded.clear()
        read_audio(path, RATE, 15.0, 1.0)
        # WebM can be entered only where a cluster starts, every five seconds.
        assert sum(decoded) < 8 * 48_000, name


def test_eight_channels_are_averaged(tmp_path: Path) -> None:
    tone = chirp(48_000, 1)
    channels = np.zeros((8, len(tone)), np.float32)
    channels[0] = tone
    for name, codec in (("a.mka", "pcm_s24le"), ("flac.mka", "flac"), ("f.mov", "pcm_f32le"), ("u.mka", "pcm_u8")):
        waveform = read_audio(encode(tmp_path / name, codec, channels, 48_000), 48_000)
        np.testing.assert_allclose(waveform, tone / 8, atol=1e-3, err_msg=name)
    channels[:] = tone
    channels[3] = 0  # low frequencies, which AAC filters
    encoded = read_audio(encode(tmp_path / "a.m4a", "aac", channels, 48_000), 48_000)
    assert np.abs(encoded[4_800:43_200] - tone[4_800:43_200] * 7 / 8).max() < 0.05


def test_opposite_channels_cancel(tmp_path: Path) -> None:
    tone = chirp(44_100, 1)
    path = encode(tmp_path / "a.m4a", "alac", np.stack([tone, -tone]), 44_100)
    assert np.abs(read_audio(path, RATE)).max() < 1e-4
    assert audio_info(path).channels == 2


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_the_sound_of_a_video_is_read_also_if_the_video_is_longer(tmp_path: Path, name: str) -> None:
    original = chirp(44_100, 6)
    path = encode(tmp_path / name, "aac", original, 44_100, video_seconds=8)
    whole = read_audio(path, 44_100)
    assert abs(len(whole) - len(original)) <= 1_024
    assert delay(whole, original) == 0
    assert durations_agree(6, audio_info(path, verify=True).duration)
    np.testing.assert_allclose(read_audio(path, 44_100, 4.0, 1.0), whole[4 * 44_100 : 5 * 44_100], atol=1e-6)


def test_a_video_without_sound_is_an_error(tmp_path: Path) -> None:
    path = video_without_sound(tmp_path / "a.mp4")
    for read in (audio_info, lambda path: read_audio(path, RATE)):
        with pytest.raises(AudioError, match=r"a\.mp4: the file has no audio track$"):
            read(path)


def test_a_file_without_samples_is_an_error(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mov", "pcm_s16le", np.zeros(0, np.float32), RATE)
    for read in (audio_info, lambda path: read_audio(path, RATE)):
        with pytest.raises(AudioError, match=r"a\.mov: .*no (samples|audio track)"):
            read(path)


def test_nothing_after_the_end_and_less_than_requested_are_errors(tmp_path: Path) -> None:
    for name, codec in (("a.m4a", "aac"), ("a.webm", "libopus"), ("a.amr", "libopencore_amrnb")):
        path = encode(tmp_path / name, codec, chirp(8_000, 3), 8_000)
        for offset in (4.0, 1e6, 1e300):
            with pytest.raises(AudioError, match="there is no audio after"):
                read_audio(path, RATE, offset)
        with pytest.raises(AudioError, match=r"expected 2 s of audio from 2\.5 s on, found 0\.5"):
            read_audio(path, RATE, 2.5, 2.0)


def truncated(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    return path


@pytest.mark.parametrize("share", [0.5, 0.77, 0.9])
@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.m4a", "aac", {}),
        ("index_first.m4a", "aac", {"movflags": "faststart"}),
        ("fragments.mp4", "aac", {"movflags": "frag_keyframe+empty_moov", "frag_duration": "500000"}),
        ("a.webm", "libopus", {}),
        ("a.mka", "flac", {}),
    ],
)
def test_a_truncated_file_is_an_error(
    tmp_path: Path, name: str, codec: str, options: dict[str, str], share: float
) -> None:
    path = truncated(encode(tmp_path / name, codec, chirp(48_000, 5), 48_000, **options), share)
    for read in (lambda: audio_info(path, verify=True), lambda: read_audio(path, RATE)):
        with pytest.raises(AudioError, match=rf"{name}: .*(not a readable|damaged|promises)"):
            read()


@pytest.mark.parametrize(("name", "codec"), [("a.aac", "aac"), ("a.amr", "libopencore_amrnb")])
def test_a_file_that_ends_within_a_frame_is_an_error(tmp_path: Path, name: str, codec: str) -> None:
    path = truncated(encode(tmp_path / name, codec, chirp(8_000, 3), 8_000), 0.6)
    with pytest.raises(AudioError, match=rf"{name}: the \w+ file is .*damaged"):
        read_audio(path, RATE)


@pytest.mark.parametrize(("name", "codec"), [("a.m4a", "aac"), ("a.mka", "flac"), ("a.aac", "aac")])
def test_damage_in_the_middle_is_an_error(tmp_path: Path, name: str, codec: str) -> None:
    path = encode(tmp_path / name, codec, chirp(48_000, 5), 48_000)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = np.random.default_rng(0).bytes(400)
    path.write_bytes(content)
    with pytest.raises(AudioError, match=rf"{name}: .*damaged"):
        read_audio(path, RATE)


def test_silence_that_was_not_encoded_is_read_as_silence(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.webm", "libopus", chirp(48_000, 4), 48_000)
    whole = read_audio(path, 48_000)
    holey = without_packets(path, tmp_path / "holey.webm", 1.5, 2.0)
    waveform = read_audio(holey, 48_000)
    assert len(waveform) == len(whole)
    assert not waveform[int(1.53 * 48_000) : int(1.97 * 48_000)].any()
    np.testing.assert_allclose(waveform[3 * 48_000 :], whole[3 * 48_000 :], atol=0.01)
    np.testing.assert_allclose(read_audio(holey, 48_000, 3.2, 0.5), waveform[153_600:177_600], atol=0.01)


def test_audio_that_is_missing_for_longer_is_an_error(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.webm", "libopus", chirp(48_000, 4), 48_000)
    holey = without_packets(path, tmp_path / "holey.webm", 1.0, 3.0)
    for read in (audio_info, lambda path: read_audio(path, RATE)):
        with pytest.raises(AudioError, match=r"holey\.webm: the file is damaged, (1\.9|2\.0)\d s are missing"):
            read(holey)


def test_a_change_of_the_sample_rate_is_an_error(tmp_path: Path) -> None:
    parts = [encode(tmp_path / f"{rate}.aac", "aac", chirp(rate, 1), rate).read_bytes() for rate in (16_000, 48_000)]
    (tmp_path / "a.aac").write_bytes(b"".join(parts))
    with pytest.raises(AudioError, match=r"a\.aac: its sample rate changes from 16000 to 48000 Hz"):
        read_audio(tmp_path / "a.aac", RATE)


def test_infinity_in_the_samples_is_an_error(tmp_path: Path) -> None:
    samples = chirp(RATE, 1)
    samples[500] = np.inf
    with pytest.raises(AudioError, match="NaN or infinity"):
        read_audio(encode(tmp_path / "a.mka", "pcm_f32le", samples, RATE), RATE)


def test_names_of_authors_that_are_not_utf8_do_no_harm(tmp_path: Path) -> None:
    with av.open(tmp_path / "a.m4a", "w") as container:
        container.metadata["artist"] = "PLACEHOLDER"
        stream = container.add_stream("aac", rate=RATE)
        frame = av.AudioFrame.from_ndarray(chirp(RATE, 1)[None, : 1024 * 10], "fltp", "mono")
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    content = (tmp_path / "a.m4a").read_bytes()
    (tmp_path / "a.m4a").write_bytes(content.replace(b"PLACEHOLDER", b"\xff\xfe\xc3OLDER\xff\xff\xff"))
    assert audio_info(tmp_path / "a.m4a").sample_rate == RATE


def test_byte_spans_and_remote_files_are_read_like_local_ones(tmp_path: Path) -> None:
    content, sources, waveforms = b"header", [], []
    for name, codec in (("a.m4a", "aac"), ("a.webm", "libopus"), ("a.amr", "libopencore_amrnb"), ("a.aac", "aac")):
        path = encode(tmp_path / name, codec, chirp(8_000, 3), 8_000)
        data = path.read_bytes()
        sources.append((len(content), len(data)))
        content += data + bytes(100)
        waveforms.append((read_audio(path, RATE), read_audio(path, RATE, 1.5, 1.0), audio_info(path)))
    address = f"memory://{uuid.uuid4()}/shard.tar"
    with fsspec.open(address, "wb") as file:
        file.write(content)
    (tmp_path / "shard.tar").write_bytes(content)
    for folder in (address, str(tmp_path / "shard.tar")):
        for span, (whole, window, info) in zip(sources, waveforms, strict=True):
            source = AudioSource(folder, *span)
            np.testing.assert_array_equal(read_audio(source, RATE), whole)
            np.testing.assert_array_equal(read_audio(source, RATE, 1.5, 1.0), window)
            assert audio_info(source) == info


def test_flac_and_its_copy_in_matroska_are_the_same(tmp_path: Path) -> None:
    samples = (chirp(RATE, 2) * 32_767).astype(np.int16)
    soundfile.write(tmp_path / "a.flac", samples, RATE)
    with av.open(tmp_path / "a.flac") as source, av.open(tmp_path / "a.mka", "w") as container:
        stream = container.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux():
            if packet.pts is not None:
                packet.stream = stream
                container.mux(packet)
    np.testing.assert_allclose(read_audio(tmp_path / "a.mka", RATE), read_audio(tmp_path / "a.flac", RATE), atol=1e-7)
