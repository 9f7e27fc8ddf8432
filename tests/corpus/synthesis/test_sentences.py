from pathlib import Path

import pytest

from stt.corpus.report import Report
from stt.corpus.synthesis.plan import Sentence
from stt.corpus.synthesis.sentences import MAX_CHARACTERS, read_sentences
from stt.errors import InputError
from stt.text.normalize import get_normalizer


def read(path: Path, normalizer: str = "plain-1") -> tuple[list[Sentence], Report]:
    skipped = Report()
    return read_sentences([path], get_normalizer(normalizer), skipped), skipped


def test_texts_are_spoken_with_their_punctuation_and_transcribed_without(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Well, who's there?\nTHE END\n")
    sentences, skipped = read(tmp_path / "a.txt")
    assert [(one.spoken, one.text) for one in sentences] == [
        ("Well, who's there?", "well who's there"),
        ("the end", "the end"),
    ]
    assert sentences[1].where == f"{tmp_path / 'a.txt'}:2"
    assert not skipped.bad


def test_numbers_are_spoken_as_they_are_transcribed(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Дом 21.\n")
    [sentence], _ = read(tmp_path / "a.txt", "russian-1")
    assert sentence.spoken == sentence.text == "дом двадцать один"


def test_texts_of_manifests_are_read_and_unusable_ones_are_counted_and_named(tones: Path, tmp_path: Path) -> None:
    lines = ["...", "rate 5 %", "word " * MAX_CHARACTERS, "good"]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    skipped = Report()
    sentences = read_sentences([tmp_path / "a.txt", tones], get_normalizer("plain-1"), skipped)
    assert len(sentences) == 1 + len(tones.read_text().splitlines())
    assert skipped.bad_count == 3
    said = " ".join(skipped.lines())
    for kind, line in (("empty text", 1), ("text with symbol %", 2), ("long text", 3)):
        assert f"{kind}: 1 rows ({tmp_path / 'a.txt'}:{line})" in said


def test_nothing_to_speak_is_an_error_that_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("...\n!\n")
    with pytest.raises(InputError, match=r"a\.txt: no text can be spoken\n  empty text: 2 rows"):
        read(tmp_path / "a.txt")
