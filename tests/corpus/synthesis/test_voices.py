from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

pytest.importorskip("espeakng_loader", reason="the speech synthesizer is not installed")

from stt.corpus.synthesis.speech import Speaker, Voice
from stt.corpus.synthesis.voices import choose_voices, list_voices
from stt.errors import InputError

Available = tuple[list[Voice], list[Voice]]


@pytest.fixture(scope="module")
def available() -> Available:
    """The voices of espeak-ng, which a process can start only once."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(list_voices).result()


def choose(available: Available, language: str, count: int = 36, seed: int = 0) -> list[str]:
    return choose_voices(*available, language, count, np.random.default_rng(seed))


def test_a_language_has_all_its_accents_and_as_many_variants_as_voices(available: Available) -> None:
    chosen = choose(available, "en")
    accents, variants = (set(part) for part in zip(*(voice.split("+") for voice in chosen), strict=True))
    assert len(variants) == len(chosen) == 36
    assert {"en", "en-US", "en-029", "en-GB-scotland", "en-GB-x-rp"} <= accents
    assert "en-Shaw" not in accents, "it reads another alphabet"


def test_women_speak_as_often_as_men_while_there_are_voices_for_them(available: Available) -> None:
    female = {variant.name for variant in available[1] if variant.female}
    chosen = choose(available, "ru", count=24)
    assert sum(voice.split("+")[1] in female for voice in chosen) == 12


def test_more_voices_than_variants_speak_with_other_accents(available: Available) -> None:
    chosen = choose(available, "en", count=10_000)
    assert len(chosen) == len(set(chosen)) > 500
    assert not any(unnatural in voice.lower() for voice in chosen for unnatural in ("robo", "whisper"))


@pytest.mark.parametrize(
    ("language", "accents"),
    [("en-us", {"en-US", "en-US-nyc"}), ("EN-Shaw", {"en-Shaw"}), ("kk", {"kk"}), ("cmn", {"cmn"})],
)
def test_one_accent_or_alphabet_can_be_asked_for(available: Available, language: str, accents: set[str]) -> None:
    assert {voice.split("+")[0] for voice in choose(available, language)} == accents


def test_the_choice_depends_on_the_seed_alone(available: Available) -> None:
    assert choose(available, "en") == choose(available, "en") != choose(available, "en", seed=1)


@pytest.mark.parametrize("language", ["tlh", "", "e", "english"])
def test_an_unknown_language_is_an_error_that_lists_the_known_ones(available: Available, language: str) -> None:
    with pytest.raises(InputError, match=r"no voice for the language .*it speaks af, .* en, .* ru, "):
        choose(available, language)


def speak(text: str, voice: str) -> bytes:
    return Speaker().say(text, voice, 150, 50, 50).tobytes()


def test_a_voice_with_breath_is_reproducible() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        first, again = pool.map(speak, ["we call it bear"] * 2, ["en-US+f2"] * 2)
    assert first == again
    assert len(first) > 4 * 10_000


def test_a_text_without_words_gives_no_audible_sample() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert not np.frombuffer(pool.submit(speak, "...", "en").result(), np.float32).any()
