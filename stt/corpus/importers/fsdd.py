"""Import the Free Spoken Digit Dataset, as single digits or as strings of digits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from stt.audio.io import Waveform, read_audio
from stt.corpus.row import Row, domain_of
from stt.errors import InputError

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SAMPLE_RATE = 8_000  # Hz
# Recordings 0-4 of every digit and speaker are the official test set; three of the official training set
# (5-49) are used for validation, so that the best checkpoint is not selected on the test set.
SPLITS = {"test": range(5), "validate": range(5, 8), "train": range(8, 50)}
RECORDING = re.compile(r"[0-9]_(?P<speaker>[^_]+)_(?P<index>[0-9]{1,9})\.wav")
MAX_STRINGS, MAX_DIGITS = 1_000_000, 1_000
GAP_SECONDS = (0.02, 0.3)
NOISE_FLOOR = 1e-3  # amplitude; without it the gaps would be digital silence, which reveals the boundaries


def rows(
    source: Path,
    *,
    split: Literal["train", "validate", "test"] = "train",
    strings: int = 0,
    max_digits: int = 5,
    domain: str = "{speaker}",
    seed: int = 0,
) -> Iterator[Row]:
    """Read `{digit}_{speaker}_{index}.wav`; every speaker is a domain.

    Args:
        source: the folder `recordings`.
        split: test is the official test set, index 0-4; validate 5-7, train 8-49.
        strings: number of digit strings per speaker, concatenated with random gaps; 0 imports single digits.
        max_digits: maximum length of a string; all lengths from 1 are equally likely.
        domain: template over `speaker`, or a fixed name.
        seed: of digits and gaps.
    """
    if not (0 <= strings <= MAX_STRINGS and 1 <= max_digits <= MAX_DIGITS and seed >= 0):
        raise InputError(
            f"--strings must be in 0..{MAX_STRINGS}, --max-digits in 1..{MAX_DIGITS}, and --seed not negative"
        )
    recordings = _recordings(source, split)
    for speaker, digits in sorted(recordings.items()):
        name = domain_of(domain, {"speaker": speaker}, str(source))
        if strings:
            rng = np.random.default_rng([seed, SPLITS[split].start, *speaker.encode()])
            for i in range(strings):
                sample = [digits[k] for k in rng.integers(len(digits), size=rng.integers(1, max_digits + 1))]
                yield Row(
                    f"{speaker} string {i}",
                    Path(f"{speaker}_{i:05d}.wav"),
                    " ".join(WORDS[int(path.name[0])] for path in sample),
                    name,
                    speaker=speaker,
                    waveform=_concatenate(sample, rng),
                    sample_rate=SAMPLE_RATE,
                    id=f"{split}/{speaker}_{i:05d}",
                )
        else:
            for path in digits:
                yield Row(path.name, path, WORDS[int(path.name[0])], name, speaker=speaker, id=path.stem)


def _recordings(source: Path, split: str) -> dict[str, list[Path]]:
    by_speaker: dict[str, list[Path]] = {}
    for path in sorted(source.glob("[0-9]_*_*.wav")):
        name = RECORDING.fullmatch(path.name)
        if name is None:
            raise InputError(f"{path}: a recording must be named DIGIT_SPEAKER_INDEX.wav")
        if int(name["index"]) in SPLITS[split]:
            by_speaker.setdefault(name["speaker"], []).append(path)
    if not by_speaker:
        raise InputError(f"{source}: no recordings named DIGIT_SPEAKER_INDEX.wav found")
    return by_speaker


def _concatenate(paths: list[Path], rng: np.random.Generator) -> Waveform:
    parts = []
    for path in paths:
        parts += [np.zeros(int(rng.uniform(*GAP_SECONDS) * SAMPLE_RATE)), read_audio(path, SAMPLE_RATE)]
    waveform = np.concatenate([*parts, np.zeros(int(rng.uniform(*GAP_SECONDS) * SAMPLE_RATE))])
    waveform += NOISE_FLOOR * rng.standard_normal(len(waveform))
    return np.clip(waveform, -1, 1).astype(np.float32)
