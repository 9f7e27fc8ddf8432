"""A recording of hours and a rough text of it, into utterances: all steps from one to the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import nan

import numpy as np

from stt.curation.align.edges import Edges
from stt.curation.align.outputs import Outputs, compute_outputs
from stt.curation.align.pieces import Lengths, Piece, among_unwritten, cut_pieces, seconds
from stt.curation.align.scores import usual_limit
from stt.curation.align.script import Script, read_script
from stt.curation.align.trellis import Prices
from stt.curation.align.words import Alignment, align_words
from stt.decoding.words import Word
from stt.errors import InputError
from stt.metrics.error_rate import character_error_rate
from stt.recognition.acoustic_model import AcousticModel
from stt.recognition.recording import Recording
from stt.recognition.transcriber import Transcriber
from stt.recognition.transcript import Transcript
from stt.text.tokenizer import Tokenizer

LOW_SCORE, TOO_SHORT, TOO_LONG = "low score", "too short", "too long"  # reasons that have a limit


@dataclass(frozen=True)
class AlignedPiece:
    """A part of the text and of the recording."""

    first: int  # index of its first word in the text
    start: float  # seconds; NaN, as the other figures, if no word of it is found
    end: float  # seconds
    text: str  # normalized
    original: str
    score: float  # nats per token, at most 0: the path through its words, relative to the greedy one
    hypothesis: str  # greedy; empty if no word is found
    cer: float  # of the hypothesis; may exceed 1
    reason: str  # why it is not kept; empty if it is


@dataclass(frozen=True)
class Aligned:
    """The pieces of a text in a recording, in order, and its words."""

    name: str
    pieces: list[AlignedPiece]
    transcript: Transcript  # the words that are found, in their original wording
    min_score: float
    unknown: Counter[str]  # what the checkpoint's alphabet does not have

    @property
    def kept(self) -> list[AlignedPiece]:
        """The pieces whose text is what is spoken in them, as far as can be told."""
        return [piece for piece in self.pieces if not piece.reason]

    @property
    def rejected(self) -> list[AlignedPiece]:
        """The other ones."""
        return [piece for piece in self.pieces if piece.reason]


def align(
    recognizer: AcousticModel,
    recording: Recording,
    lines: Iterable[str],
    name: str,
    lengths: Lengths | None = None,
    min_score: float | None = None,
    heard: Callable[[float], object] = lambda _: None,
) -> Aligned:
    """Find a text in a recording, and cut both into pieces.

    Args:
        recognizer: with the language of the text.
        recording: of any length.
        lines: its text, of which parts may not be spoken, and which may lack parts of what is.
        name: of the text, for messages.
        lengths: wanted durations of pieces; None: the default.
        min_score: pieces with a lower score are rejected; None: what texts of other pieces do not reach.
        heard: called with seconds of audio whenever the network has heard some, for a progress bar.

    Raises:
        InputError: the text is empty or cannot be spelled, the recording is empty or cannot be read, or they do not
            belong together.
    """
    script = read_script(lines, recognizer.normalizer, recognizer.tokenizer, name)
    outputs = compute_outputs(Transcriber(recognizer), recording, heard)
    both = f"{name} and {recording.name}"
    alignment = align_words(script, outputs, recognizer.tokenizer, Prices(), both)
    lengths = lengths or Lengths()
    pieces = cut_pieces(alignment, lengths)
    found = [piece for piece in pieces if alignment.found[piece.first : piece.end].all()]
    limit = usual_limit(alignment, found) if min_score is None else min_score
    edges = Edges(alignment)
    aligned = [_piece(alignment, edges, piece, recognizer.tokenizer, lengths, limit) for piece in pieces]
    result = Aligned(recording.name, aligned, _transcript(alignment), limit, script.unknown)
    if not result.kept:
        reasons = Counter(piece.reason for piece in aligned).most_common(1)
        raise InputError(f"{both}: no piece of the text can be kept; most often: {reasons[0][0]}")
    return result


def _piece(
    alignment: Alignment, edges: Edges, piece: Piece, tokenizer: Tokenizer, lengths: Lengths, limit: float
) -> AlignedPiece:
    script = alignment.script
    texts = script.text(piece.first, piece.end), script.original(piece.first, piece.end)
    found = np.flatnonzero(alignment.found[piece.first : piece.end]) + piece.first
    if not len(found):
        return AlignedPiece(piece.first, nan, nan, *texts, nan, "", nan, _missing(script, piece, alignment))
    spoken = Piece(int(found[0]), int(found[-1]) + 1)
    start, end = edges.of(spoken)
    heard = hypothesis(alignment.outputs, tokenizer, start, end)
    score = alignment.score(spoken.first, spoken.end)
    reason = ""
    if len(found) < piece.end - piece.first:
        reason = _missing(script, piece, alignment)
    elif among_unwritten(alignment, piece):
        reason = "speech that is not in the text"
    elif score < limit:
        reason = LOW_SCORE
    elif end - start < lengths.least:
        reason = TOO_SHORT
    elif seconds(alignment, piece) > lengths.most:
        reason = TOO_LONG
    return AlignedPiece(piece.first, start, end, *texts, score, heard, character_error_rate(texts[0], heard), reason)


def _missing(script: Script, piece: Piece, alignment: Alignment) -> str:
    words = script.words[piece.first : piece.end]
    if not all(word.tokens for word in words):
        return "words that cannot be spelled with the checkpoint's alphabet"
    return "words that are not spoken"


def hypothesis(outputs: Outputs, tokenizer: Tokenizer, start: float, end: float) -> str:
    """Return what the network hears between two times, in seconds."""
    frames, tokens = outputs.emitted
    first, last = np.searchsorted(frames, np.array([start, end]) / outputs.frame_seconds)
    return tokenizer.decode(tokens[first:last].tolist())


def _transcript(alignment: Alignment) -> Transcript:
    outputs, words = alignment.outputs, []
    for i in np.flatnonzero(alignment.found).tolist():
        word = alignment.script.words[i]
        first, last = int(alignment.first[i]), int(alignment.last[i])
        confidence = float(np.exp(alignment.score(i, i + 1)))
        words.append(Word(word.original, first * outputs.frame_seconds, (last + 1) * outputs.frame_seconds, confidence))
    return Transcript.of(words, outputs.seconds)
