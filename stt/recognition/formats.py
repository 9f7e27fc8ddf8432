"""Transcripts as files: text, JSON, subtitles (SRT, VTT) and Praat's TextGrid."""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from stt.errors import InputError, missing_extra

if TYPE_CHECKING:  # these import torch; FORMATS is also needed for --help
    from stt.decoding.words import Word
    from stt.recognition.transcript import Transcript

FORMATS = {"text": ".txt", "json": ".json", "srt": ".srt", "vtt": ".vtt", "textgrid": ".TextGrid"}  # name: extension

PAUSE_MS = 600  # a pause that starts a new segment
MIN_SEGMENT_MS = 1000
MAX_SEGMENT_MS = 6000
MAX_LINE_CHARACTERS = 42  # a subtitle has at most two such lines

# Replaced by wider ones: SRT has no escapes, and pysubs2 takes {...} and \N for override tags in VTT as well.
_FULL_WIDTH = {ord(character): chr(ord(character) + 0xFEE0) for character in "{}\\<>"}
_ENTITY = re.compile(r"&(?=#?\w+;)")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")  # a line break or a NUL in a word would end a line or the file


@dataclass(frozen=True)
class Segment:
    """Consecutive words that are shown together, with the times at which they appear and disappear."""

    start: float  # seconds, to the millisecond
    end: float  # seconds, to the millisecond
    text: str  # on one line
    words: list[Word]


def render(transcript: Transcript, file_format: str, audio: str, normalizer: str) -> str:
    """Return the content of a file in one of `FORMATS`, with its last newline.

    Args:
        transcript: text and words with times.
        file_format: a key of `FORMATS`.
        audio: name of the recording, for JSON.
        normalizer: name of the normalizer of the texts, for JSON.

    Raises:
        InputError: the format is unknown.
        MissingExtraError: the package that writes the format is not installed.
    """
    try:
        match file_format:
            case "text":
                return transcript.text and f"{transcript.text}\n"
            case "json":
                return as_json(transcript, audio, normalizer) + "\n"
            case "srt" | "vtt":
                return _subtitles(segments(transcript.words), file_format)
            case "textgrid":
                return _textgrid(transcript)
    except ModuleNotFoundError as error:
        raise missing_extra(error) from error
    raise InputError(f"unknown format {file_format!r} of a transcript: choose one of {', '.join(FORMATS)}")


def as_json(transcript: Transcript, audio: str, normalizer: str) -> str:
    """Return the transcript as JSON on one line, without a newline: times in seconds, confidences in 0..1, rounded."""
    line = {
        "audio": audio,
        "text": transcript.text,
        "duration": round(transcript.duration, 3),
        "confidence": round(transcript.confidence, 4),
        "normalizer": normalizer,
        "words": [
            {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(word).items()}
            for word in transcript.words
        ],
    }
    return json.dumps(line, ensure_ascii=False)


def segments(words: Sequence[Word]) -> list[Segment]:
    """Cut words into segments for subtitles, which do not overlap and contain every word with a text once, in order.

    A segment ends before a pause of 0.6 s, and before a word that would exceed 6 s or two lines of 42 characters; only
    a longer word exceeds its line. It lasts from its first to its last word, but at least 1 s unless the next begins
    earlier, and at most 6 s even if its only word is longer. Of words that overlap, the earlier one is cut.
    """
    words, texts, times = _spoken(words)
    first: list[int] = []  # index of the first word of each segment
    for i, (start, end) in enumerate(times):
        if (
            not first
            or start - times[i - 1][1] >= PAUSE_MS
            or end - times[first[-1]][0] > MAX_SEGMENT_MS
            or not _wrap(texts[first[-1] : i + 1])
        ):
            first.append(i)
    found = []
    for i, stop in pairwise([*first, len(words)]):
        start, end = times[i][0], times[stop - 1][1]
        shown = start + MIN_SEGMENT_MS
        if stop < len(words):
            shown = min(shown, times[stop][0])
        end = min(max(end, shown), start + MAX_SEGMENT_MS)
        found.append(Segment(start / 1000, end / 1000, " ".join(texts[i:stop]), list(words[i:stop])))
    return found


def _spoken(words: Sequence[Word]) -> tuple[list[Word], list[str], list[tuple[int, int]]]:
    """Return the words that have a text, their texts without line breaks, and their times in milliseconds.

    The times are made those of intervals that are in order, do not overlap and last at least 1 ms.
    """
    kept = [(word, text) for word in words if (text := _BLANK.sub(" ", word.text).strip())]
    starts: list[int] = []
    for word, _ in kept:
        starts.append(max(round(word.start * 1000), starts[-1] + 1 if starts else 0))
    ends = [max(round(word.end * 1000), start + 1) for (word, _), start in zip(kept, starts, strict=True)]
    ends = [min(end, following) for end, following in zip(ends, [*starts[1:], *ends[-1:]], strict=True)]
    return [word for word, _ in kept], [text for _, text in kept], list(zip(starts, ends, strict=True))


def _wrap(texts: Sequence[str]) -> list[str]:
    """Break the texts into at most two lines of similar length; return no lines if they do not fit."""
    text = " ".join(texts)
    if len(text) <= MAX_LINE_CHARACTERS or len(texts) == 1:
        return [text]
    breaks = []
    for i in range(1, len(texts)):
        parts = (texts[:i], texts[i:])
        lines = [" ".join(part) for part in parts]
        fits = all(len(part) == 1 or len(line) <= MAX_LINE_CHARACTERS for part, line in zip(parts, lines, strict=True))
        # pysubs2 reads a number alone on the last line as that of the next subtitle.
        if fits and not lines[1].isdecimal():
            breaks.append(lines)
    return min(breaks, key=lambda lines: max(map(len, lines)), default=[])


def _subtitles(parts: Sequence[Segment], file_format: str) -> str:
    from pysubs2 import SSAEvent, SSAFile  # imported here for startup time
    from pysubs2.formats.subrip import SubripFormat
    from pysubs2.formats.webvtt import WebVTTFormat

    # pysubs2 moves what comes after 100 hours to their end, so the timestamps are written here.
    class Srt(SubripFormat):
        ms_to_timestamp = staticmethod(_timestamp)

    class Vtt(WebVTTFormat):
        ms_to_timestamp = staticmethod(lambda ms: _timestamp(ms).replace(",", "."))

    subtitles = SSAFile()
    for part in parts:
        lines = [_escape(line, file_format) for line in _wrap(_spoken(part.words)[1])]
        subtitles.append(SSAEvent(round(part.start * 1000), round(part.end * 1000), r"\N".join(lines)))
    content = io.StringIO()
    (Vtt if file_format == "vtt" else Srt).to_file(subtitles, content, file_format)
    return content.getvalue()


def _timestamp(ms: int) -> str:
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"


def _escape(text: str, file_format: str) -> str:
    text = html.escape(text, quote=False) if file_format == "vtt" else _ENTITY.sub("\uff06", text)
    return text.translate(_FULL_WIDTH)


def _textgrid(transcript: Transcript) -> str:
    from praatio.utilities import textgrid_io

    _, texts, times = _spoken(transcript.words)
    # Praat wants more than 0 s. The last word may end in the padding of the last frame: it is cut, so that the tiers
    # are as long as the recording. Microseconds, because praatio does not read exponents.
    end = max(round(transcript.duration, 6), (times[-1][0] + 1 if times else 1) / 1000)
    tiers = {
        "words": [
            (start / 1000, min(stop / 1000, end), text) for text, (start, stop) in zip(texts, times, strict=True)
        ],
        "segments": [(part.start, min(part.end, end), part.text) for part in segments(transcript.words)],
    }
    grid = {
        "xmin": 0,
        "xmax": end,
        "tiers": [
            {"class": "IntervalTier", "name": name, "xmin": 0, "xmax": end, "entries": entries}
            for name, entries in tiers.items()
        ],
    }
    content: str = textgrid_io.getTextgridAsStr(grid, "long_textgrid", includeBlankSpaces=True)
    return content
