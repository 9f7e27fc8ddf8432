"""Copies of an utterance's audio as a file of its own."""

from __future__ import annotations

import io
import shutil
from collections.abc import Collection
from pathlib import Path

from stt.audio.formats import EXTENSIONS, extension_of
from stt.audio.io import audio_info, encode_flac, read_audio
from stt.audio.source import AudioSource


def copy_audio(
    source: AudioSource,
    window: tuple[float, float] | None,
    folder: Path,
    stem: Path,
    mix: bool,
    formats: Collection[str],
) -> Path:
    """Write audio to `folder / stem` with the extension that it needs, and return its path in the folder.

    Whole files and byte spans in the given formats are copied as they are, so nothing is lost; windows are cut out to
    the sample. These and other formats are written as FLAC of 16 bits, at the audio's own rate.

    Args:
        source: the audio.
        window: offset and duration to cut out, seconds; None for all of it.
        folder: folder to write to.
        stem: path in the folder, without an extension.
        mix: write one channel, the mean of all.
        formats: extensions of what is copied as it is.

    Raises:
        AudioError: the audio cannot be read.
    """
    (folder / stem).parent.mkdir(parents=True, exist_ok=True)
    opened = None if window or mix else source.open()
    extension = _extension(source, opened)
    target = stem.with_name(stem.name + extension)
    if opened is None or extension not in formats:
        target = stem.with_name(f"{stem.name}.flac")
        rate = audio_info(source).sample_rate
        (folder / target).write_bytes(encode_flac(read_audio(source, rate, *(window or ())), rate))
    elif isinstance(opened, str):
        shutil.copyfile(opened, folder / target)
    else:
        (folder / target).write_bytes(opened.getvalue())
    return target


def _extension(source: AudioSource, opened: str | io.BytesIO | None) -> str:
    """Return the extension by which others will know the format of an opened file; empty if none is known."""
    if opened is None:
        return ""
    extension = Path(source.address).suffix.lower()
    if source.byte_offset is None and extension in EXTENSIONS:
        return extension
    if isinstance(opened, str):
        with Path(opened).open("rb") as file:
            return extension_of(file.read(16))
    return extension_of(opened.getvalue()[:16])
