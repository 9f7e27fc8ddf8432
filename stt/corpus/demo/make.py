"""Synthesis of the demo corpus: domains with their speakers, sentences and sound effects; audio files and manifests."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import soundfile
import torch

from stt.audio.augmentation.host import apply_codec
from stt.audio.io import Waveform, audio_info, resample
from stt.corpus.demo.sentences import sentences
from stt.corpus.manifest import write_manifest
from stt.corpus.synthesis import sound
from stt.corpus.synthesis.speech import Speaker
from stt.progress import track
from stt.text.normalize import get_normalizer

NORMALIZER = "russian-1"
SAMPLE_RATE = 16_000  # Hz
# Without ru+f2, f3 and f5, whose breath was not reproducible when the results were measured.
VOICES = ("ru+m1", "ru+m3", "ru+m7", "ru+m4", "ru+f1", "ru+f4", "ru+linda", "ru")
OTHER_VOICES = ("ru+m2", "ru+m6", "ru+belinda", "ru+steph")
WORKERS = 2  # processes
SPLIT_SIZES = {"train": 600, "validate": 30, "test": 60}  # utterances per domain

Chooser = np.random.Generator
Effect = Callable[[Waveform, Chooser], Waveform]


def narration(waveform: Waveform, rng: Chooser) -> Waveform:
    """Studio: only a noise floor."""
    return sound.mix(waveform, sound.colored_noise(len(waveform), 1, rng), rng.uniform(35, 50))


def audiobooks(waveform: Waveform, rng: Chooser) -> Waveform:
    """Living room."""
    wet = sound.room(waveform, SAMPLE_RATE, rng.uniform(0.2, 0.5), rng.uniform(-3.5, 7.5), rng)
    return sound.mix(wet, sound.colored_noise(len(wet), 1, rng), rng.uniform(25, 35))


def radio(waveform: Waveform, rng: Chooser) -> Waveform:
    """Broadcast: music bed, band limits, compression."""
    bed = sound.music_bed(len(waveform), SAMPLE_RATE, rng)
    mixed = sound.mix(waveform, bed, rng.uniform(8, 18))
    return sound.compress(sound.band(mixed, SAMPLE_RATE, rng.uniform(80, 150), rng.uniform(5000, 6500)), 1.5)


def youtube(waveform: Waveform, rng: Chooser) -> Waveform:
    """Varied conditions: noise of any color, overdriven microphones, a lossy codec."""
    noise = sound.colored_noise(len(waveform), rng.uniform(0, 2), rng)
    mixed = sound.compress(sound.mix(waveform, noise, rng.uniform(6, 18)), rng.uniform(0.5, 3))
    codec = (("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS"))[int(rng.integers(2))]
    return apply_codec(mixed, SAMPLE_RATE, *codec, level=0.5)


def calls(waveform: Waveform, rng: Chooser) -> Waveform:
    """Telephone: background noise of the speaker, 300-3400 Hz at 8 kHz, a telephone codec."""
    noisy = sound.mix(waveform, sound.colored_noise(len(waveform), rng.uniform(0.5, 1.5), rng), rng.uniform(8, 20))
    subtype = ("GSM610", "ULAW", "ALAW")[int(rng.integers(3))]
    return apply_codec(sound.band(noisy, SAMPLE_RATE, 300, 3400), SAMPLE_RATE, "WAV", subtype, level=0)


def public_speech(waveform: Waveform, rng: Chooser) -> Waveform:
    """A hall with a noisy audience; used for testing only."""
    hall = sound.room(waveform, SAMPLE_RATE, rng.uniform(0.7, 1.2), rng.uniform(-3.5, 3.5), rng)
    return sound.mix(hall, sound.colored_noise(len(hall), 1.5, rng), rng.uniform(12, 20))


@dataclass(frozen=True)
class Domain:
    """The sound effects of a domain and the relative shares of its kinds of sentences."""

    effect: Effect
    shares: dict[str, float]
    suffix: str = ".flac"
    voices: tuple[str, ...] = VOICES
    splits: tuple[str, ...] = field(default=("train", "validate", "test"))


DOMAINS = {
    "narration": Domain(narration, {"news": 2, "address": 1, "time": 1, "numbers": 1}),
    "audiobooks": Domain(audiobooks, {"news": 4, "time": 1, "taxi": 1}),
    "radio": Domain(radio, {"news": 3, "time": 2, "numbers": 1}),
    "youtube": Domain(youtube, {"news": 2, "address": 1, "taxi": 1, "numbers": 1, "time": 1}, suffix=".mp3"),
    "calls": Domain(calls, {"taxi": 3, "address": 2, "numbers": 1}, suffix=".wav"),
    "public_speech": Domain(public_speech, {"news": 3, "time": 1, "numbers": 1}, voices=OTHER_VOICES, splits=("test",)),
}


@dataclass(frozen=True)
class Shard:
    """The part of the corpus synthesized by one fresh process: a domain, with the texts of its splits."""

    domain: str
    texts: dict[str, list[str]]
    out: Path
    seed: int


def make_demo(out: Path, seed: int = 0, sizes: dict[str, int] | None = None) -> dict[str, Path]:
    """Synthesize the corpus: audio in `OUT/DOMAIN/SPLIT/`, manifests `OUT/{train,validate,test}.parquet`.

    The same seed yields the same corpus, and no sentence is in two splits. Speech is synthesized in fresh
    processes, one per domain, because espeak-ng's output depends on its earlier output.

    Args:
        out: output folder.
        seed: of sentences, voices and sound effects.
        sizes: utterances per domain by split; None for 600, 30 and 60.

    Returns:
        The manifest path of each split.
    """
    sizes = sizes or SPLIT_SIZES
    used: set[str] = set()
    shards = []
    for i, (name, domain) in enumerate(DOMAINS.items()):
        rng = np.random.default_rng([seed, i])
        endless = sentences(rng, domain.shares, used)
        texts = {split: list(islice(endless, sizes[split])) for split in domain.splits}
        shards.append(Shard(name, texts, out, int(rng.integers(2**31))))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=context, max_tasks_per_child=1) as pool:
        results = list(track(pool.map(make_shard, shards), "synthesizing domains", total=len(shards)))
    manifests = {}
    for split in SPLIT_SIZES:
        rows = [row for splits in results for row in splits.get(split, [])]
        manifests[split] = out / f"{split}.parquet"
        write_manifest(pa.Table.from_pylist(rows), manifests[split], NORMALIZER)
    return manifests


def make_shard(shard: Shard) -> dict[str, list[dict[str, object]]]:
    """Synthesize and write the utterances of a domain; return the manifest rows of each split."""
    torch.set_num_threads(1)  # one process per core already
    domain = DOMAINS[shard.domain]
    speaker = Speaker()
    rng = np.random.default_rng(shard.seed)
    normalize = get_normalizer(NORMALIZER)
    rows: dict[str, list[dict[str, object]]] = {split: [] for split in shard.texts}
    for split, texts in shard.texts.items():
        folder = shard.out / shard.domain / split
        folder.mkdir(parents=True, exist_ok=True)
        for i, text in enumerate(texts):
            voice = domain.voices[int(rng.integers(len(domain.voices)))]
            rate, pitch, pitch_range = (int(rng.integers(*span)) for span in ((130, 200), (25, 75), (30, 70)))
            spoken = resample(speaker.say(text, voice, rate, pitch, pitch_range), speaker.sample_rate, SAMPLE_RATE)
            waveform = sound.normalize_peak(domain.effect(spoken, rng), float(rng.uniform(0.2, 0.9)))
            path = folder / f"{i:05d}{domain.suffix}"
            _write(path, waveform)
            row = {"audio": str(path.relative_to(shard.out)), "text": normalize(text).text, "speaker": voice}
            rows[split].append({**row, "duration": audio_info(path).duration, "domain": shard.domain})
    return rows


def _write(path: Path, waveform: Waveform) -> None:
    """Write in the typical format of a domain: calls as 8 kHz WAV, youtube as MP3, others as FLAC."""
    if path.suffix == ".wav":
        soundfile.write(path, resample(waveform, SAMPLE_RATE, 8_000), 8_000, subtype="PCM_16")
    else:
        soundfile.write(path, waveform, SAMPLE_RATE)
