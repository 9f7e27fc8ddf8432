from collections.abc import Sequence
from pathlib import Path

import label_errors
import numpy as np
import pytest

from stt.corpus.row import Row

WORDS = ("zero", "one", "two", "three")


def rows(domain: str, count: int) -> list[Row]:
    rng = np.random.default_rng(len(domain))
    made = []
    for i in range(count):
        text = " ".join(rng.choice(WORDS, 1 + i % 4))
        waveform = rng.normal(0, 0.1, 8_000).astype(np.float32)
        made.append(Row("here", Path(f"{i}.wav"), text, domain, waveform=waveform, id=f"{domain}/{i}"))
    return made


def recognize(given: Sequence[Row]) -> list[str]:
    return ["one" for _ in given]


@pytest.mark.parametrize("kind", label_errors.KINDS)
def test_a_share_of_every_domain_is_spoiled_and_only_what_is_marked_differs(kind: str) -> None:
    before = [*rows("loud", 240), *rows("quiet", 120)]
    after, wrong = label_errors.plant(before, kind, 0.1, recognize)
    changed = [
        old.text != new.text or not np.array_equal(np.asarray(old.waveform), np.asarray(new.waveform))
        for old, new in zip(before, after, strict=True)
    ]
    assert wrong.tolist() == changed
    assert [(row.id, row.domain) for row in after] == [(row.id, row.domain) for row in before]
    exact = kind not in ("off_by_one", "pseudo")  # the text of these may happen to be right
    for part, size in ((wrong[:240], 24), (wrong[240:], 12)):
        assert part.sum() == size if exact else 0.5 * size < part.sum() <= size
    assert all(after[i].text for i in range(len(after)))


def planted(kind: str) -> list[tuple[Row, Row]]:
    before = rows("loud", 240)
    after, wrong = label_errors.plant(before, kind, 0.1, recognize)
    return [(before[i], after[i]) for i in np.flatnonzero(wrong)]


def test_a_truncated_text_is_the_beginning_of_what_is_spoken() -> None:
    for before, after in planted("truncated"):
        assert before.text.startswith(f"{after.text} ")


def test_a_similar_text_differs_in_one_word() -> None:
    for before, after in planted("similar"):
        assert sum(a != b for a, b in zip(before.text.split(), after.text.split(), strict=True)) == 1


def test_a_text_off_by_one_is_that_of_the_next_utterance_and_errors_come_in_runs() -> None:
    before = rows("loud", 240)
    after, _ = label_errors.plant(before, "off_by_one", 0.1, recognize)
    moved = [i for i in range(239) if after[i].text != before[i].text]
    assert all(after[i].text == before[i + 1].text for i in moved)
    assert len({i // label_errors.RUN for i in moved}) == 24 // label_errors.RUN


def test_pseudo_labels_are_what_was_recognized() -> None:
    assert {after.text for _, after in planted("pseudo")} == {"one"}


def test_music_and_a_second_speaker_replace_the_speech_under_the_same_text() -> None:
    pairs = planted("no_speech")
    assert all(before.text == after.text for before, after in pairs)
    correlations = [
        np.corrcoef(np.asarray(before.waveform), np.asarray(after.waveform))[0, 1] for before, after in pairs
    ]
    assert sum(abs(c) < 0.1 for c in correlations) == len(pairs) / 2
    assert sum(c == pytest.approx(0.5**0.5, abs=0.1) for c in correlations) == len(pairs) / 2
