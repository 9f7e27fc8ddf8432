"""Transcripts as OpenAI's API words them, schema `CreateTranscriptionResponseVerboseJson` and its kin."""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection
from typing import Literal

from pydantic import BaseModel

from stt.decoding.words import Word
from stt.recognition.formats import Segment, segments
from stt.recognition.transcript import Transcript
from stt.text.tokenizer import Tokenizer

UNDETERMINED = "und"  # language, in ISO 639: a model does not tell what it hears
FRAMES_PER_SECOND = 100  # of the API's `seek`
LEAST_CONFIDENCE = 1e-10  # whose logarithm is finite


class SpokenWord(BaseModel):
    """A word; times in seconds."""

    word: str
    start: float
    end: float


class SpokenSegment(BaseModel):
    """Words that belong together; times in seconds."""

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: list[int]
    temperature: float = 0.0  # nothing is sampled
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float = 0.0  # where words were recognized; the network does not tell


class Usage(BaseModel):
    """What is billed elsewhere."""

    type: Literal["duration"] = "duration"
    seconds: int


class Transcription(BaseModel):
    """The answer to `json` (text and usage) and `verbose_json`."""

    text: str
    usage: Usage
    task: Literal["transcribe"] | None = None
    language: str | None = None
    duration: float | None = None
    words: list[SpokenWord] | None = None
    segments: list[SpokenSegment] | None = None


def brief(transcript: Transcript) -> Transcription:
    """Return the answer to `json`."""
    return Transcription(text=transcript.text, usage=Usage(seconds=math.ceil(transcript.duration)))


def verbose(
    transcript: Transcript, tokenizer: Tokenizer, language: str | None, granularities: Collection[str]
) -> Transcription:
    """Return the answer to `verbose_json`, with words, segments or both."""
    answer = brief(transcript)
    answer.task, answer.language = "transcribe", language or UNDETERMINED
    answer.duration = round(transcript.duration, 3)
    if "word" in granularities:
        answer.words = [_word(word) for word in transcript.words]
    if "segment" in granularities:
        answer.segments = [_segment(i, one, tokenizer) for i, one in enumerate(segments(transcript.words))]
    return answer


def _word(word: Word) -> SpokenWord:
    return SpokenWord(word=word.text, start=round(word.start, 3), end=round(word.end, 3))


def _segment(number: int, segment: Segment, tokenizer: Tokenizer) -> SpokenSegment:
    logs = [math.log(max(word.confidence, LEAST_CONFIDENCE)) for word in segment.words]
    encoded = segment.text.encode("utf-8", "replace")
    return SpokenSegment(
        id=number,
        seek=int(segment.start * FRAMES_PER_SECOND),
        start=segment.start,
        end=max(round(segment.words[-1].end, 3), round(segment.start + 0.001, 3)),  # a subtitle stays longer
        text=segment.text,
        # A decoder of one's own may write what the tokenizer has not.
        tokens=tokenizer.encode(segment.text) if set(segment.text) <= tokenizer.alphabet else [],
        avg_logprob=sum(logs) / len(logs),
        compression_ratio=len(encoded) / len(zlib.compress(encoded)),
    )
