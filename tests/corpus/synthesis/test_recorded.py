import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stt.cli.main import main
from stt.corpus.manifest import read_manifest
from stt.corpus.synthesis import recorded
from stt.corpus.synthesis.engines import Engines
from stt.corpus.synthesis.recorded import PROGRAMS, Mbrola, RHVoice
from stt.corpus.synthesis.voices import choose_recorded_voices
from stt.errors import InputError

# Programs that take the options of the real ones and speak a tone: its frequency is the pitch option, its length the
# number of characters. The voice mb-fr4-en is known but not installed, as voices of the real one are.
ESPEAK_NG = """
if "--voices=mb" in sys.argv:
    print("Pty Language       Age/Gender VoiceName          File                 Other Languages")
    print(" 3  en-uk           --/M      english-mb-en1     mb/mb-en1            (en-gb 3)(en 2)")
    print("10  en              --/F      en-french-4        mb/mb-fr4-en         ")
    print(" 6  de              --/F      german-mbrola-1    mb/mb-de1            ")
elif value("-v") != "mb-fr4-en":
    speak(value("-w"), 16_000, float(value("-p")), int(value("-s")))
else:
    sys.exit(1)
"""
RHVOICE = """
speak(value("--output"), 24_000, float(value("--pitch")), int(value("--rate")))
"""
COMMON = """#!{python}
import math, struct, sys, time, wave

def value(option):
    return sys.argv[sys.argv.index(option) + 1]

def speak(path, rate, pitch, speed):
    text = sys.stdin.read().strip()
    if text == "forever":
        time.sleep(60)
    if text == "silence":
        return
    if text == "broken":
        open(path, "wb").write(b"RIFF and no more")
        return
    samples = [int(9_000 * math.sin(2 * math.pi * pitch * i / rate)) for i in range(rate // 10 * len(text))]
    with wave.open(path, "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(rate)
        file.writeframes(struct.pack(f"<{{len(samples)}}h", *samples))
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installs the programs in a folder, which is all of the path."""
    folder = tmp_path / "usr" / "bin"
    folder.mkdir(parents=True)
    for name, source in {"espeak-ng": ESPEAK_NG, "mbrola": "", "RHVoice-test": RHVOICE}.items():
        (folder / name).write_text(COMMON.format(python=sys.executable) + source)
        (folder / name).chmod(0o755)
    for name, language in {"anna": "Russian", "slt": "English", "new": "Klingon"}.items():
        voice = tmp_path / "usr" / "share" / "RHVoice" / "voices" / name
        voice.mkdir(parents=True)
        (voice / "voice.info").write_text(f"name={name}\nlanguage={language}\ngender=female\n")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def choose(program: str, language: str, count: int = 36) -> list[str]:
    return choose_recorded_voices(PROGRAMS[program](), language, count, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("program", "language", "expected"),
    [
        ("mbrola", "en", ["mbrola:mb-en1"]),
        ("mbrola", "en-gb", ["mbrola:mb-en1"]),
        ("mbrola", "de", ["mbrola:mb-de1"]),
        ("rhvoice", "en", ["rhvoice:slt"]),
        ("rhvoice", "ru", ["rhvoice:anna"]),
        ("rhvoice", "klingon", ["rhvoice:new"]),
    ],
)
def test_a_language_has_the_voices_that_are_installed(
    programs: Path, program: str, language: str, expected: list[str]
) -> None:
    assert choose(program, language) == expected


def test_speech_has_the_sample_rate_of_its_voice_and_pitch_and_rate_are_passed_on(programs: Path) -> None:
    engines = Engines()
    low, rate = engines.say("some text", "mbrola:mb-en1", 150, 40, 50)
    assert rate == 16_000
    assert len(low) == 9 * 1_600
    assert np.argmax(np.abs(np.fft.rfft(low))) * rate / len(low) == pytest.approx(40, abs=1)
    high, rate = engines.say("some text", "rhvoice:slt", 160, 100, 50)
    assert rate == 24_000
    assert np.argmax(np.abs(np.fft.rfft(high))) * rate / len(high) == pytest.approx(100 * 2**0.5, abs=2)
    assert "--rate 200" in " ".join(RHVoice().command("rhvoice:slt", 320, 50, 50))


@pytest.mark.parametrize("text", ["silence", "broken", "forever"])
def test_what_a_program_does_not_speak_is_empty(programs: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "TIMEOUT", 2)
    assert len(Mbrola().say(text, "mbrola:mb-en1", 150, 50, 50)[0]) == 0


def test_a_corpus_is_spoken_by_all_engines_and_texts_that_none_speaks_are_named(
    programs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("one sentence\nanother one\nsilence\na third\n")
    engines = ("--engine", "mbrola", "--engine", "rhvoice", "--workers", "1")
    with pytest.raises(SystemExit) as done:
        main(["corpus", "synthesize", str(texts), "--language", "en", "--out", str(tmp_path / "out"), *engines])
    assert done.value.code == 0
    assert "silent text: 1 rows" in capsys.readouterr().out
    assert "mbrola or rhvoice speaks nothing of it" in (tmp_path / "out" / "skipped.csv").read_text()
    manifest = read_manifest(tmp_path / "out" / "train.parquet")
    assert set(manifest.table["speaker"].to_pylist()) == {"mbrola:mb-en1", "rhvoice:slt"}
    assert np.abs(manifest.waveform(0, 16_000)).max() > 0.05


@pytest.mark.parametrize(
    ("engine", "removed", "language", "message"),
    [
        ("mbrola", "mbrola", "en", "--engine mbrola: mbrola not found: install it (Debian: "),
        ("rhvoice", "RHVoice-test", "en", "--engine rhvoice: RHVoice-test not found: install it (Debian: "),
        ("mbrola", "", "fr", "--engine mbrola: no voice of 'fr' is installed (Debian: "),
        ("festival", "", "en", "--engine festival: no such engine, choose from espeak-ng, mbrola, rhvoice"),
    ],
)
def test_a_missing_engine_or_voice_is_one_sentence(
    engine: str, removed: str, language: str, message: str, programs: Path, tmp_path: Path, fails: Callable[..., str]
) -> None:
    if removed:
        (programs / removed).unlink()
    (tmp_path / "texts.txt").write_text("a sentence\n")
    before = sorted(tmp_path.iterdir())
    arguments = ["--language", language, "--engine", engine, "--out", str(tmp_path / "out")]
    assert message in fails(main, ["corpus", "synthesize", str(tmp_path / "texts.txt"), *arguments])
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_the_installed_programs_speak(name: str) -> None:
    try:
        program = PROGRAMS[name]()
        [voice] = choose(name, "en", 1)
    except InputError as error:
        pytest.skip(str(error))
    slow, rate = program.say("We call it bear.", voice, 100, 50, 50)
    fast, _ = program.say("We call it bear.", voice, 200, 50, 50)
    assert np.abs(slow).max() > 0.1
    assert 0.5 < len(fast) / rate < 0.75 * len(slow) / rate
