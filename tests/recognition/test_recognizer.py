import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stt.__main__ import main
from stt.audio.io import resample
from stt.recognition.transcript import split_at_pauses
from tests.conftest import RATE, spoken_in_tones


def run(args: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(args)
    assert stopped.value.code == 0


@pytest.fixture
def checkpoint(trained: Path) -> str:
    return str(trained / "checkpoints" / "best.ckpt")


@pytest.mark.parametrize(("name", "rate"), [("a.wav", 16_000), ("a.flac", 44_100), ("a.ogg", 8_000), ("a.mp3", 22_050)])
def test_any_format_rate_and_number_of_channels_is_recognized(
    checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, rate: int
) -> None:
    waveform = resample(spoken_in_tones("ab cad"), RATE, rate)
    soundfile.write(tmp_path / name, np.stack([waveform, waveform], axis=1), rate)
    run(["transcribe", checkpoint, str(tmp_path / name)])
    assert capsys.readouterr().out == "ab cad\n"


def test_json_has_times_and_confidence(checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write(tmp_path / "a.wav", spoken_in_tones("a bd"), RATE)
    run(["transcribe", checkpoint, str(tmp_path / "a.wav"), "--json"])
    line = json.loads(capsys.readouterr().out)
    assert line["text"] == " ".join(word["text"] for word in line["words"]) == "a bd"
    assert line["duration"] == pytest.approx(1.2, abs=0.01)
    # A letter lasts 0.2 s: silence, a, pause, b, d, silence.
    assert line["words"][0]["start"] == pytest.approx(0.2, abs=0.17)
    assert line["words"][1]["start"] == pytest.approx(0.6, abs=0.17)
    assert 0 < line["confidence"] <= 1
    assert line["normalizer"] == "plain-1"


def test_a_bad_file_among_good_ones_is_named_and_the_others_are_transcribed(
    checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(tmp_path / "good.wav", spoken_in_tones("ab"), RATE)
    (tmp_path / "bad.wav").write_bytes(b"nothing")
    with pytest.raises(SystemExit) as stopped:
        main(["transcribe", checkpoint, str(tmp_path / "bad.wav"), str(tmp_path / "good.wav")])
    said = capsys.readouterr()
    assert stopped.value.code == 2
    assert "bad.wav" in said.err
    assert said.out.endswith("good.wav\tab\n")


def test_long_audio_is_cut_at_pauses_and_nothing_is_lost() -> None:
    rng = np.random.default_rng(0)
    waveform = rng.standard_normal(70 * RATE).astype(np.float32)
    waveform[20 * RATE : 21 * RATE] = 0
    pieces = split_at_pauses(waveform, RATE)
    np.testing.assert_array_equal(np.concatenate(pieces), waveform)
    assert all(len(piece) <= 25 * RATE for piece in pieces)
    assert 20 * RATE <= len(pieces[0]) <= 21 * RATE


def test_a_long_file_is_transcribed_to_its_end(
    checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [np.concatenate([spoken_in_tones("ab cad"), np.zeros(RATE, np.float32)]) for _ in range(16)]
    soundfile.write(tmp_path / "long.wav", np.concatenate(parts), RATE)
    run(["transcribe", checkpoint, str(tmp_path / "long.wav")])
    words = capsys.readouterr().out.split()
    assert len(words) >= 28
    assert words.count("cad") >= 12
