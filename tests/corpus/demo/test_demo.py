from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from stt.corpus.demo import sound
from stt.corpus.demo.make import DOMAINS, NORMALIZER, SAMPLE_RATE, make_demo
from stt.corpus.demo.sentences import KINDS, sentences
from stt.corpus.manifest import read_manifest
from stt.text.normalize import get_normalizer

pytest.importorskip("espeakng_loader", reason="the demo's speech synthesizer is not installed")


def tone(hertz: float) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_sentences_are_varied_and_already_normalized(kind: str) -> None:
    rng = np.random.default_rng(0)
    generated = [KINDS[kind](rng) for _ in range(500)]
    assert len(set(generated)) > 400
    for text in generated:
        normalized = get_normalizer(NORMALIZER)(text)
        assert not normalized.rejected
        assert 3 <= len(normalized.text) <= 130


def test_no_sentence_is_repeated() -> None:
    used: set[str] = set()
    first = list(islice(sentences(np.random.default_rng(0), {"news": 1}, used), 300))
    second = list(islice(sentences(np.random.default_rng(0), {"news": 1}, used), 300))
    assert len(set(first + second)) == 600


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0])
def test_noise_is_mixed_at_the_requested_snr(snr_db: float) -> None:
    voice, noise = tone(440), sound.colored_noise(SAMPLE_RATE, 1.0, np.random.default_rng(0))
    added = sound.mix(voice, noise, snr_db) - voice
    assert 10 * np.log10(np.mean(voice**2) / np.mean(added**2)) == pytest.approx(snr_db, abs=0.01)


def test_a_band_limit_passes_tones_inside_and_removes_tones_outside() -> None:
    def amplitude(hertz: float) -> float:
        return float(np.abs(sound.band(tone(hertz), SAMPLE_RATE, 300, 3400)[2000:-2000]).max())

    assert amplitude(1000) == pytest.approx(1, abs=0.05)
    assert amplitude(60) < 0.02
    assert amplitude(6000) < 0.02


def test_reverberation_decays_by_60_db_in_the_given_time() -> None:
    click = np.zeros(SAMPLE_RATE, np.float32)
    click[0] = 1
    tail = sound.room(click, SAMPLE_RATE, 0.5, 6.0, np.random.default_rng(0))[1:]
    assert 10 * np.log10(1 / np.sum(tail**2)) == pytest.approx(6, abs=0.1), "direct-to-reverberant ratio"
    energy = [float(np.mean(tail[int(t * SAMPLE_RATE) :][:400] ** 2)) for t in (0.0, 0.25, 0.46)]
    assert 10 * np.log10(energy[0] / energy[1]) == pytest.approx(30, abs=4)
    assert 10 * np.log10(energy[0] / energy[2]) == pytest.approx(55, abs=5)


def test_noise_has_the_requested_slope() -> None:
    spectrum = np.abs(np.fft.rfft(sound.colored_noise(1 << 16, 2.0, np.random.default_rng(0)))) ** 2
    octave_low, octave_high = spectrum[1000:2000].mean(), spectrum[2000:4000].mean()
    assert octave_low / octave_high == pytest.approx(4, rel=0.15)


def test_the_corpus_is_reproducible_and_its_splits_share_no_sentence(tmp_path: Path) -> None:
    sizes = {"train": 3, "validate": 2, "test": 2}
    corpora = [make_demo(tmp_path / name, seed=5, sizes=sizes) for name in ("a", "b")]
    contents = [
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("a", "b")
    ]
    different = [path for path in contents[0] if contents[0][path] != contents[1].get(path)]
    assert different == []
    manifests = {split: read_manifest(path) for split, path in corpora[0].items()}
    assert manifests["train"].domains == ["audiobooks", "calls", "narration", "radio", "youtube"]
    assert manifests["test"].domains == sorted(DOMAINS)
    texts = [manifest.text(row) for manifest in manifests.values() for row in range(len(manifest))]
    assert len(texts) == len(set(texts)) == 5 * 7 + 2
    assert all(0.5 < duration < 12 for manifest in manifests.values() for duration in manifest.durations)
