import html
import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pysubs2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from praatio import textgrid

from stt.decoding.words import Word
from stt.errors import InputError, MissingExtraError
from stt.recognition.formats import FORMATS, as_json, render, segments
from stt.recognition.transcript import Transcript

FRAME_SECONDS = 0.08
SIMILAR = str.maketrans("｛｝＼＜＞＆", "{}\\<>&")
MARKUP = ["<i>", "</i>", "<", ">", "&", "&lt;", "&amp;", "{", "}", r"{\an8}", r"\N", r"\h", "-->", '"', '""', "it's"]


def transcript(words: list[Word], duration: float | None = None) -> Transcript:
    duration = max((word.end for word in words), default=0.0) if duration is None else duration
    return Transcript(" ".join(word.text for word in words), words, duration)


def spoken(text: str, start: float = 0.0, seconds: float = 0.24) -> list[Word]:
    return [Word(word, start + i * seconds, start + (i + 1) * seconds, 0.9) for i, word in enumerate(text.split(" "))]


def texts(words: list[Word]) -> list[str]:
    return [text for word in words if (text := " ".join(word.text.replace("\0", " ").split()))]


def read_subtitles(words: list[Word], file_format: str) -> list[tuple[int, int, list[str]]]:
    """Read with pysubs2 what is written: start and end in milliseconds, and lines with their escapes undone."""
    content = render(transcript(words), file_format, "a.wav", "none")
    found = []
    for event in pysubs2.SSAFile.from_string(content, format_=file_format):
        text = html.unescape(event.plaintext) if file_format == "vtt" else event.plaintext
        found.append((event.start, event.end, text.translate(SIMILAR).split("\n")))
    return found


def read_textgrid(spoken: Transcript) -> dict[str, list[tuple[float, float, str]]]:
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.TextGrid")
        path.write_text(render(spoken, "textgrid", "a.wav", "none"), encoding="utf-8")
        grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=True, reportingMode="error")
    assert grid.minTimestamp == 0
    for tier in grid.tiers:  # gapless from 0 to the end
        assert tier.entries[0].start == 0
        assert tier.entries[-1].end == grid.maxTimestamp
        assert all(left.end == right.start for left, right in pairwise(tier.entries))
        assert all(entry.start < entry.end for entry in tier.entries)
    return {tier.name: [tuple(entry) for entry in tier.entries] for tier in grid.tiers}


def labelled(entries: list[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    return [entry for entry in entries if entry[2]]


characters = st.characters(exclude_categories=["Cs", "Cc", "Z"])
word_texts = st.one_of(
    st.text(characters, min_size=1, max_size=12),
    st.text(characters, min_size=1, max_size=60),
    st.sampled_from([*MARKUP, "42", "7", "one\ntwo", "a\r\n\r\nb", "x\u2028y", "\x00nul", " ", "\n"]),
)


@st.composite
def any_words(draw: st.DrawFn) -> list[Word]:
    """Words as recognized, in frames; some have no length, some overlap, some begin before their predecessor."""
    frame, words = 0, []
    for text in draw(st.lists(word_texts, max_size=30)):
        frame = max(0, frame + draw(st.integers(-3, 20)))
        length = draw(st.one_of(st.integers(0, 10), st.integers(0, 100)))
        words.append(Word(text, frame * FRAME_SECONDS, (frame + length) * FRAME_SECONDS, 0.5))
        frame += draw(st.integers(0, length))
    return words


@st.composite
def words_in_order(draw: st.DrawFn) -> list[Word]:
    """Words that do not overlap and have a length, at any millisecond."""
    time, words = 0, []
    for text in draw(st.lists(st.text(characters, min_size=1, max_size=12), max_size=30)):
        start = time + draw(st.integers(0, 1500))
        time = start + draw(st.integers(1, 2000))
        words.append(Word(text, start / 1000, time / 1000, 0.5))
    return words


@given(any_words())
def test_segments_lose_and_double_and_reorder_no_word(words: list[Word]) -> None:
    found = segments(words)
    assert [word for segment in found for word in segment.words] == [word for word in words if word.text.split()]
    assert [segment.text for segment in found] == [" ".join(texts(segment.words)) for segment in found]


@given(any_words())
def test_segments_are_not_empty_do_not_overlap_and_last_at_most_six_seconds(words: list[Word]) -> None:
    found = segments(words)
    assert all(segment.words and 0.001 <= round(segment.end - segment.start, 3) <= 6 for segment in found)
    assert all(left.end <= right.start for left, right in pairwise(found))


@given(any_words())
def test_segments_are_shown_for_a_second_unless_the_next_begins(words: list[Word]) -> None:
    found = segments(words)
    following = [*(segment.start for segment in found[1:]), float("inf")]
    for segment, limit in zip(found, following, strict=False):
        assert round(segment.end - segment.start, 3) >= 1 or segment.end == limit


@given(words_in_order())
def test_a_segment_begins_at_each_long_pause_and_otherwise_only_where_a_limit_asks_for_it(words: list[Word]) -> None:
    found = segments(words)
    for segment in found:
        assert all(round(right.start - left.end, 3) < 0.6 for left, right in pairwise(segment.words))
        assert segment.start == segment.words[0].start
    for left, right in pairwise(found):
        word = right.words[0]
        pause = round(word.start - left.words[-1].end, 3) >= 0.6
        too_long = round(word.end - left.start, 3) > 6
        # Words of at most 12 characters leave at most 12 of a line unused.
        assert pause or too_long or word.text.isdecimal() or len(left.text) + 1 + len(word.text) > 2 * (42 - 12)


@pytest.mark.parametrize("file_format", ["srt", "vtt"])
@given(words=any_words())
def test_subtitles_read_by_pysubs2_have_the_words_and_times_of_the_segments(
    file_format: str, words: list[Word]
) -> None:
    read = read_subtitles(words, file_format)
    expected = segments(words)
    assert [" ".join(lines) for _, _, lines in read] == [part.text.translate(SIMILAR) for part in expected]
    assert [(start, end) for start, end, _ in read] == [
        (round(part.start * 1000), round(part.end * 1000)) for part in expected
    ]


@pytest.mark.parametrize("file_format", ["srt", "vtt"])
@given(words=any_words())
def test_subtitles_have_two_lines_of_42_characters_and_only_a_single_word_exceeds_one(
    file_format: str, words: list[Word]
) -> None:
    single = {text.translate(SIMILAR) for text in texts(words)}
    for _, _, lines in read_subtitles(words, file_format):
        assert len(lines) <= 2
        assert all(len(line) <= 42 or line in single for line in lines)


@settings(deadline=None)  # it writes files
@given(any_words(), st.floats(0, 60))
def test_any_words_give_a_textgrid_that_praatio_reads(words: list[Word], duration: float) -> None:
    tiers = read_textgrid(transcript(words, duration))
    assert [text for _, _, text in labelled(tiers["words"])] == texts(words)
    assert [text for _, _, text in labelled(tiers["segments"])] == [part.text for part in segments(words)]
    ends = {entries[-1][1] for entries in tiers.values()}
    assert len(ends) == 1
    assert ends.pop() >= round(duration, 6)


@settings(deadline=None)
@given(words_in_order(), st.floats(0, 60))
def test_a_textgrid_has_the_times_of_the_words_and_is_as_long_as_the_recording(
    words: list[Word], silence: float
) -> None:
    duration = max([word.end for word in words], default=0.001) + silence
    tiers = read_textgrid(transcript(words, duration))
    read = labelled(tiers["words"])
    assert [(round(start, 3), round(end, 3)) for start, end, _ in read] == [(word.start, word.end) for word in words]
    assert tiers["words"][-1][1] == round(duration, 6)


def test_a_pause_of_600_ms_starts_a_segment_and_a_shorter_one_does_not() -> None:
    def count(pause: float) -> int:
        return len(segments([Word("a", 0.0, 0.3, 1.0), Word("b", 0.3 + pause, 1.2, 1.0)]))

    assert count(0.6) == 2
    assert count(0.599) == 1


def test_lines_are_of_similar_length() -> None:
    ((_, _, lines),) = read_subtitles(spoken("the quick brown fox jumps over the lazy dog again and again"), "srt")
    assert lines == ["the quick brown fox jumps over", "the lazy dog again and again"]


def test_a_word_longer_than_a_line_stands_alone_on_it() -> None:
    read = read_subtitles([*spoken("an " + "x" * 60)], "vtt")
    assert [lines for _, _, lines in read] == [["an", "x" * 60]]


def test_a_number_at_the_end_is_kept_although_pysubs2_takes_it_for_that_of_a_subtitle() -> None:
    words = spoken("x" * 42 + " 42", seconds=0.4)
    assert [lines for _, _, lines in read_subtitles(words, "srt")] == [["x" * 42], ["42"]]


def test_a_word_longer_than_six_seconds_is_shown_for_six() -> None:
    (segment,) = segments([Word("long", 1.0, 9.0, 1.0)])
    assert (segment.start, segment.end) == (1.0, 7.0)


@pytest.mark.parametrize("file_format", ["srt", "vtt"])
@pytest.mark.parametrize("text", MARKUP)
def test_markup_in_a_word_is_shown_as_text(text: str, file_format: str) -> None:
    words = spoken(f"one {text} two</i> three}}")
    assert [lines for _, _, lines in read_subtitles(words, file_format)] == [
        [f"one {text} two</i> three}}".translate(SIMILAR)]
    ]


def test_vtt_escapes_as_the_standard_asks() -> None:
    assert "AT&amp;T --&gt; &lt;b&gt;" in render(transcript(spoken("AT&T --> <b>")), "vtt", "a.wav", "none")


def test_srt_keeps_an_ampersand_that_no_player_takes_for_an_entity() -> None:
    content = render(transcript(spoken("AT&T &lt; {b}")), "srt", "a.wav", "none")
    assert "AT&T ＆lt; ｛b｝\n" in content


@pytest.mark.parametrize(("file_format", "point"), [("srt", ","), ("vtt", ".")])
def test_hours_above_99_are_written(file_format: str, point: str) -> None:
    content = render(transcript([Word("late", 360_001.5, 360_003.0, 1.0)]), file_format, "a.wav", "none")
    assert f"100:00:01{point}500 --> 100:00:03{point}000\nlate\n" in content


@pytest.mark.parametrize(
    ("file_format", "content"), [("text", ""), ("srt", ""), ("vtt", "WEBVTT\n\n")], ids=["text", "srt", "vtt"]
)
def test_a_transcript_without_words_is_an_empty_file(file_format: str, content: str) -> None:
    assert render(transcript([]), file_format, "a.wav", "none") == content


@pytest.mark.parametrize(("duration", "end"), [(0.0, 0.001), (1 / 48_000, 0.001), (2.5, 2.5), (3.0, 3.0)])
def test_a_transcript_without_words_is_a_textgrid_of_blanks(duration: float, end: float) -> None:
    assert read_textgrid(transcript([], duration)) == {"words": [(0, end, "")], "segments": [(0, end, "")]}


def test_words_without_length_and_words_that_overlap_are_separate_intervals() -> None:
    words = [Word("a", 0.8, 0.8, 1.0), Word("b", 0.8, 1.6, 1.0), Word('"c"', 1.2, 2.08, 1.0)]
    assert labelled(read_textgrid(transcript(words, 2.0))["words"]) == [
        (0.8, 0.801, "a"),
        (0.801, 1.2, "b"),
        (1.2, 2.0, '"c"'),
    ]


def test_quotation_marks_are_doubled_as_in_praat() -> None:
    assert 'text = "say ""hi"""' in render(transcript(spoken('say "hi"')), "textgrid", "a.wav", "none")


def test_json_is_one_line_with_rounded_times_and_confidences() -> None:
    words = [Word("при\nвет", 0.1 + 0.2, 0.45678, 0.98765)]
    line = as_json(Transcript("привет", words, 1.23456), "a.wav", "basic")
    assert "\n" not in line
    assert "привет" in line
    assert json.loads(line) == {
        "audio": "a.wav",
        "text": "привет",
        "duration": 1.235,
        "confidence": 0.9877,
        "normalizer": "basic",
        "words": [{"text": "при\nвет", "start": 0.3, "end": 0.4568, "confidence": 0.9877}],
    }


@pytest.mark.parametrize("file_format", FORMATS)
def test_files_of_every_format_end_with_a_newline(file_format: str) -> None:
    assert render(transcript(spoken("one two")), file_format, "a.wav", "none").endswith("\n")


def test_text_and_json_are_lines() -> None:
    done = transcript(spoken("one two"))
    assert render(done, "text", "a.wav", "none") == "one two\n"
    assert render(done, "json", "a.wav", "none") == as_json(done, "a.wav", "none") + "\n"


def test_an_unknown_format_is_reported_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"unknown format 'docx' .* text, json, srt, vtt, textgrid"):
        render(transcript([]), "docx", "a.wav", "none")


def test_neither_package_nor_torch_is_imported_before_it_is_needed() -> None:
    code = "import sys, stt.recognition.formats; print(sorted({'pysubs2', 'praatio', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(("file_format", "module"), [("srt", "pysubs2"), ("textgrid", "praatio.utilities")])
def test_a_missing_package_is_reported_with_its_extra(
    file_format: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = module.partition(".")[0]
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr("stt.errors.requires", lambda _: [f'{package}>=1; extra == "torch"'])
    with pytest.raises(MissingExtraError, match=f"needs {package}, .* the extra 'torch'"):
        render(transcript(spoken("one")), file_format, "a.wav", "none")
