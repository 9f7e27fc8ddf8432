from pathlib import Path

import pytest

from stt.decoding.words import Word
from stt.inference.serve.answers import verbose
from stt.recognition.transcript import Transcript
from stt.text.tokenizer import Tokenizer


@pytest.mark.parametrize(
    ("start", "end", "rounded"), [(0.1, 52.9995501, 53.0), (0.1, 0.10004, 0.101), (2.0, 1.5, 2.001)]
)
def test_a_segment_ends_at_a_millisecond_after_its_start(
    tokenizer_file: Path, start: float, end: float, rounded: float
) -> None:
    transcript = Transcript("ab", [Word("ab", start, end, 0.9)], 60.0)
    answer = verbose(transcript, Tokenizer.load(tokenizer_file), None, ["segment"])
    assert [(one.start, one.end) for one in answer.segments or ()] == [(start, rounded)]
