"""A part of a synthesized corpus, made by one fresh process, so that it does not depend on what was made before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from stt.audio.io import Waveform, encode_flac, resample
from stt.corpus.synthesis.engines import Engines
from stt.corpus.synthesis.plan import Utterance
from stt.corpus.synthesis.scene import Recordings, Scenes

SAMPLE_RATE = 16_000  # Hz
UTTERANCES = 250  # per shard: some 15 minutes of speech; loading libraries takes two seconds
MIN_SECONDS = 0.05  # shorter than any word
# The vocal tract is 0.83 (a child's) to 1.07 times as long as the voice's. At the sample rate of espeak-ng, 22,050 Hz,
# these are ratios of small numbers, which are fast to resample by; at others they are approximated by such.
TRACTS = tuple(ratio * 22_050 / SAMPLE_RATE for ratio in (3 / 5, 5 / 8, 2 / 3, 7 / 10, 8 / 11, 8 / 11, 3 / 4, 7 / 9))
MAX_DENOMINATOR = 11


@dataclass(frozen=True)
class Shard:
    """The utterances of a shard, and all that determines their sound."""

    number: int
    utterances: Sequence[Utterance]
    folder: Path  # of the corpus
    seed: int
    recordings: Recordings
    max_seconds: float  # the shard may end early when it has as much speech

    def audio(self, i: int) -> Path:
        """Return the path of an utterance's audio, relative to the corpus."""
        return Path("audio") / f"{self.number:05d}" / f"{i:03d}.flac"


def make_shard(shard: Shard) -> list[float]:
    """Synthesize and write the utterances of a shard; to be called in a fresh process.

    Returns:
        The duration of each utterance, seconds: 0 where nothing came out. If the shard ends early, the rest is missing.
    """
    torch.set_num_threads(1)  # one process per core already
    engines = Engines()
    scenes = Scenes(SAMPLE_RATE, shard.recordings)
    rng = np.random.default_rng([shard.seed, shard.number])
    (shard.folder / shard.audio(0)).parent.mkdir(parents=True, exist_ok=True)
    durations: list[float] = []
    for i, utterance in enumerate(shard.utterances):
        speech = _speak(engines, utterance, rng)
        durations.append(0.0)
        if len(speech) < MIN_SECONDS * SAMPLE_RATE or not speech.any():
            continue
        waveform = scenes.record(speech, rng)
        (shard.folder / shard.audio(i)).write_bytes(encode_flac(waveform, SAMPLE_RATE))
        durations[-1] = len(waveform) / SAMPLE_RATE
        if sum(durations) >= shard.max_seconds:
            break
    return durations


def _speak(engines: Engines, utterance: Utterance, rng: np.random.Generator) -> Waveform:
    """Speak in a voice with a random rate, pitch, intonation and vocal tract; (sample,) at `SAMPLE_RATE`."""
    tract = TRACTS[int(rng.integers(len(TRACTS)))]  # length; resonances and pitch rise by 1 / it
    words_per_minute = tract * np.exp(rng.uniform(np.log(90), np.log(220)))  # resampling speeds up by 1 / tract, too
    pitch, pitch_range = (int(rng.integers(*span)) for span in ((15, 85), (20, 90)))
    text, voice = utterance.sentence.spoken, utterance.voice
    speech, rate = engines.say(text, voice, max(80, int(words_per_minute)), pitch, pitch_range)
    ratio = Fraction(tract * SAMPLE_RATE / rate).limit_denominator(MAX_DENOMINATOR)
    return resample(speech, ratio.denominator, ratio.numerator) if len(speech) else speech
