"""What the command line transcribes: files, URLs, folders, manifests, and standard input."""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stt.audio.io import EXTENSIONS, AudioError, audio_info
from stt.audio.source import AudioSource, is_remote
from stt.errors import InputError, missing_extra, reason
from stt.folders import walk
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
    """Find the recordings that names stand for; what is named twice is found once.

    Args:
        names: audio files, URLs, folders (all audio files in them), manifests, or `-` for audio on standard input.
        folder: for a copy of the latter.

    Raises:
        InputError: a name is empty, a folder contains no audio file, a manifest cannot be read, or nothing is on
            standard input.
    """
    inputs = [one for name in dict.fromkeys(names) for one in _inputs(name, folder)]
    times = Counter(one.path for one in inputs)
    return [one if times[one.path] == 1 else _with_extension(one) for one in inputs]


def check_paths(inputs: Sequence[Input], out: Path, extension: str) -> None:
    """Create the output folder, and check that every recording has a transcript of its own that does not exist yet.

    Raises:
        InputError: it does not, or the folder cannot be created.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out}: the folder cannot be created ({error.strerror or reason(error)})") from error
    seen: dict[Path, str] = {}
    for one in inputs:
        if one.path in seen:
            names = f"{seen[one.path]} and {one.recording.name}"
            raise InputError(f"{names} would both be {one.path} in --out: rename one of them")
        seen[one.path] = one.recording.name
        if os.path.lexists(path := out / f"{one.path}{extension}"):
            raise InputError(f"--out {out}: {path} exists already, choose another folder or delete it")


def _with_extension(one: Input) -> Input:
    """Name a transcript by the whole name of its recording, as a.wav and a.mp3 lie in many folders side by side."""
    return replace(one, path=one.path.with_name(one.path.name + Path(one.recording.name).suffix))


def _inputs(name: str, folder: Path) -> Iterator[Input]:
    path = Path(name)
    if not name:
        raise InputError("the name of a recording is empty")
    if name == STANDARD_INPUT:
        yield _standard_input(folder / "audio")
    elif is_remote(name):
        yield Input(Recording.of(name), _below(name.partition("://")[2], "recording").with_suffix(""), None)
    elif path.is_dir():
        found = sorted(one for one in walk(path) if one.suffix.lower() in EXTENSIONS and one.is_file())
        if not found:
            raise InputError(f"{name}: the folder contains no audio file ({', '.join(sorted(EXTENSIONS))})")
        for one in found:
            yield Input(Recording.of(one), one.relative_to(path).with_suffix(""), _seconds(AudioSource.of(one)))
    elif path.suffix.lower() in MANIFESTS:
        yield from _rows(path)
    else:
        yield Input(Recording.of(name), Path(path.stem), _seconds(AudioSource.of(name)))


def _standard_input(copy: Path) -> Input:
    if sys.stdin is None:
        raise InputError("standard input is closed")
    with copy.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    recording = Recording.of(copy).renamed("standard input", copy)
    return Input(recording, Path("standard_input"), _seconds(AudioSource.of(copy)))


def _rows(path: Path) -> Iterator[Input]:
    try:
        from stt.corpus.manifest import read_manifest
    except ModuleNotFoundError as error:
        raise missing_extra(error) from error
    manifest = read_manifest(path)
    for row in range(len(manifest)):
        recording = Recording.excerpt(manifest.audio(row), *manifest.window(row))
        name = _below(str(manifest.value(row, "id")), f"row_{row + 1}")
        yield Input(recording, name, float(manifest.durations[row]))


def _below(name: str, default: str) -> Path:
    """Return a name as a path that stays below the output folder; the default if nothing of it is left."""
    parts = [part for part in Path(name).parts if part not in ("/", "..")]
    return Path(*parts) if parts else Path(default)


def _seconds(source: AudioSource) -> float | None:
    """Return the duration in the header of a file; what cannot be read is reported when it is transcribed."""
    try:
        return audio_info(source).duration
    except AudioError:
        return None
