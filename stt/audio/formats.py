"""Which library decodes which file: libsndfile where it can, FFmpeg for the rest."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

from stt.audio.mp3 import end_of_tags
from stt.audio.reader import Reader
from stt.audio.soundfile_reader import SoundFileReader
from stt.audio.source import AudioError, AudioSource, size_of
from stt.errors import reason

LIBSNDFILE = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".au", ".gsm", ".w64", ".caf"}
FFMPEG = {".m4a", ".mp4", ".aac", ".webm", ".amr", ".wma", ".mka", ".mkv", ".mov", ".3gp"}
EXTENSIONS = frozenset(LIBSNDFILE | FFMPEG)  # taken from folders; what a file is, its content decides
MIN_RATE, MAX_RATE = 1_000, 1_000_000  # Hz; what lies outside is a broken header, not speech
# What FFmpeg reads, by its first bytes. libsndfile would search most of these for anything like MP3.
SIGNATURES = (
    (4, b"ftyp", "MP4/AAC"),
    (4, b"moov", "QuickTime"),
    (4, b"mdat", "QuickTime"),
    (4, b"wide", "QuickTime"),
    (0, b"\x1aE\xdf\xa3", "WebM/Matroska"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "WMA"),
    (0, b"#!AMR", "AMR"),
    (8, b"AVI ", "AVI"),
)
EXTENSION_OF_MARK = {b"RIFF": ".wav", b"fLaC": ".flac", b"OggS": ".ogg", b"ID3": ".mp3", b"\xff\xfb": ".mp3"}


@contextmanager
def open_reader(source: AudioSource) -> Iterator[Reader]:
    """Open a file in any format.

    Raises:
        AudioError: the file is missing, empty, not audio, or its sample rate is implausible.
    """
    with closing(_reader(source)) as reader:
        if not MIN_RATE <= reader.rate <= MAX_RATE:
            raise AudioError(
                f"{source}: a sample rate of {reader.rate} Hz is not between {MIN_RATE:,} and {MAX_RATE:,}"
            )
        yield reader


def _reader(source: AudioSource) -> Reader:
    try:
        opened = source.open()
        kind = _only_ffmpeg(opened)
    except OSError as error:
        raise AudioError(f"{source}: the file cannot be read ({error.strerror or reason(error)})") from error
    if not kind:
        try:
            return SoundFileReader(opened, source)
        except AudioError as error:
            if not size_of(opened):
                raise AudioError(f"{source}: the audio file is empty") from None
            failed = error
    from stt.audio.av_reader import AvReader  # imported here because it takes time, and most audio does not need it

    try:
        return AvReader(opened, source, kind or "audio")
    except AudioError:
        if kind:
            raise
        raise failed from None


def _only_ffmpeg(opened: str | io.BytesIO) -> str:
    """Return the kind of a file that must not reach libsndfile; an empty string for all others."""
    if isinstance(opened, str):
        with Path(opened).open("rb") as file:
            return _kind(file)
    kind = _kind(opened)
    opened.seek(0)
    return kind


def _kind(file: BinaryIO) -> str:
    head = file.read(16)
    for position, mark, kind in SIGNATURES:
        if head.startswith(mark, position):
            return kind
    if tags := end_of_tags(head):
        file.seek(tags)
        head = file.read(2)
    # The header of an AAC frame differs from that of an MP3 frame in two bits, the layer.
    return "AAC" if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0 else ""


def extension_of(head: bytes) -> str:
    """Return the usual extension of a file by its first bytes, empty if they are unknown; for the names of copies."""
    return next((extension for mark, extension in EXTENSION_OF_MARK.items() if head.startswith(mark)), "")
