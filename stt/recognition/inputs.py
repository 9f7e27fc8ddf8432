"""What the command line transcribes: files, URLs, folders, manifests, and standard input."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stt.audio.io import EXTENSIONS, AudioError, audio_info
from stt.audio.source import AudioSource, is_remote
from stt.errors import InputError, missing_extra
from stt.recognition.recording import Recording

STANDARD_INPUT = "-"
MANIFESTS = (".parquet", ".csv", ".tsv", ".jsonl", ".json")  # those of stt.corpus.table, which needs the extra `train`


@dataclass(frozen=True)
class Input:
    """A recording, and the path of its transcript relative to the output folder, without an extension."""

    recording: Recording
    path: Path
    seconds: float | None  # None if unknown


def find_inputs(names: Sequence[str], folder: Path) -> list[Input]:
    """Find the recordings that names stand for.

    Args:
        names: audio files, URLs, folders (all audio files in them), manifests, or `-` for audio on standard input.
        folder: for a copy of the latter.

    Raises:
        InputError: a folder contains no audio file, or a manifest cannot be read.
    """
    return [one for name in names for one in _inputs(name, folder)]


def check_paths(inputs: Sequence[Input]) -> None:
    """Check that no two recordings would have one transcript.

    Raises:
        InputError: they would.
    """
    seen: dict[Path, str] = {}
    for one in inputs:
        other = seen.setdefault(one.path, one.recording.name)
        if other != one.recording.name:
            raise InputError(f"{other} and {one.recording.name} would both be {one.path} in --out: rename one of them")


def _inputs(name: str, folder: Path) -> Iterator[Input]:
    path = Path(name)
    if name == STANDARD_INPUT:
        copy = folder / "audio"
        with copy.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        recording = Recording("standard input", Recording.of(copy).blocks)
        yield Input(recording, Path("standard_input"), _seconds(AudioSource.of(copy)))
    elif is_remote(name):
        yield Input(Recording.of(name), Path(name.partition("://")[2]).with_suffix(""), None)
    elif path.is_dir():
        found = sorted(one for one in path.rglob("*") if one.suffix.lower() in EXTENSIONS)
        if not found:
            raise InputError(f"{name}: the folder contains no audio file ({', '.join(sorted(EXTENSIONS))})")
        for one in found:
            yield Input(Recording.of(one), one.relative_to(path).with_suffix(""), _seconds(AudioSource.of(one)))
    elif path.suffix.lower() in MANIFESTS:
        yield from _rows(path)
    else:
        yield Input(Recording.of(name), Path(path.stem), _seconds(AudioSource.of(name)))


def _rows(path: Path) -> Iterator[Input]:
    try:
        from stt.corpus.manifest import read_manifest
    except ModuleNotFoundError as error:
        raise missing_extra(error) from error
    manifest = read_manifest(path)
    for row in range(len(manifest)):
        recording = Recording.excerpt(manifest.audio(row), *manifest.window(row))
        parts = Path(str(manifest.value(row, "id"))).parts
        name = Path(*[part for part in parts if part not in ("/", "..")])  # below the output folder
        yield Input(recording, name, float(manifest.durations[row]))


def _seconds(source: AudioSource) -> float | None:
    """Return the duration in the header of a file; what cannot be read is reported when it is transcribed."""
    try:
        return audio_info(source).duration
    except AudioError:
        return None
