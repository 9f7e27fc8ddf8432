"""Label errors as they occur in collected corpora, planted in a share of the utterances of every domain.

Each kind takes the rows of one domain, the positions to spoil, a random generator and a function that recognizes rows,
and returns new rows for these positions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from stt.corpus.row import Row
from stt.corpus.synthesis.sound import cut, mix, music_bed

Recognize = Callable[[Sequence[Row]], list[str]]
Positions = npt.NDArray[np.int64]
ATTEMPTS = 1_000
RUN = 6  # utterances in a recording whose texts are off by one


def shuffled(rows: Sequence[Row], chosen: Positions, rng: np.random.Generator, recognize: Recognize) -> list[Row]:
    """Exchange the texts of the chosen rows, so that none keeps its own."""
    texts = rng.permutation([rows[i].text for i in chosen])
    for _ in range(ATTEMPTS):
        own = [place for place, i in enumerate(chosen) if texts[place] == rows[i].text]
        if not own:
            return [replace(rows[i], text=str(text)) for i, text in zip(chosen, texts, strict=True)]
        for place, other in zip(own, rng.integers(len(chosen), size=len(own)), strict=True):
            texts[[place, other]] = texts[[other, place]]
    raise ValueError("the texts of the chosen rows are too much alike to be exchanged")


def truncated(rows: Sequence[Row], chosen: Positions, rng: np.random.Generator, recognize: Recognize) -> list[Row]:
    """Keep the first half of the words, at least one."""
    return [replace(rows[i], text=" ".join(_words(rows[i])[: max(1, len(_words(rows[i])) // 2)])) for i in chosen]


def off_by_one(rows: Sequence[Row], chosen: Positions, rng: np.random.Generator, recognize: Recognize) -> list[Row]:
    """Give each row the text of the next one, as in a recording that was cut at the wrong places."""
    return [replace(rows[i], text=rows[(i + 1) % len(rows)].text) for i in chosen]


def similar(rows: Sequence[Row], chosen: Positions, rng: np.random.Generator, recognize: Recognize) -> list[Row]:
    """Exchange one word for another one of the domain."""
    vocabulary = sorted({word for row in rows for word in _words(row)})
    spoiled = []
    for i in chosen:
        words = _words(rows[i])
        place = int(rng.integers(len(words)))
        words[place] = str(rng.choice([word for word in vocabulary if word != words[place]]))
        spoiled.append(replace(rows[i], text=" ".join(words)))
    return spoiled


def pseudo(rows: Sequence[Row], chosen: Positions, rng: np.random.Generator, recognize: Recognize) -> list[Row]:
    """Replace the texts by those of a weak recognizer; where it recognizes nothing, by another row's."""
    texts = recognize([rows[i] for i in chosen])
    return [
        replace(rows[i], text=text or rows[int(rng.integers(len(rows)))].text)
        for i, text in zip(chosen, texts, strict=True)
    ]


def no_speech(rows: Sequence[Row], chosen: Positions, rng: np.random.Generator, recognize: Recognize) -> list[Row]:
    """Replace every second recording by music, and let another person speak as loud in the others."""
    spoiled = []
    for number, i in enumerate(chosen):
        row = rows[i]
        assert row.waveform is not None
        if number % 2:
            others = [one for one in rows if one.speaker != row.speaker] or [one for one in rows if one is not row]
            other = others[int(rng.integers(len(others)))].waveform
            assert other is not None
            waveform = mix(row.waveform, cut(other, len(row.waveform), rng), 0.0)
        else:
            waveform = 0.1 * music_bed(len(row.waveform), row.sample_rate, rng)
        spoiled.append(replace(row, waveform=(waveform / max(1.0, float(np.abs(waveform).max()))).astype(np.float32)))
    return spoiled


KINDS = {kind.__name__: kind for kind in (shuffled, truncated, off_by_one, similar, pseudo, no_speech)}
CHANGES_AUDIO = (no_speech.__name__,)


def plant(
    rows: Sequence[Row], kind: str, share: float, recognize: Recognize, seed: int = 0
) -> tuple[list[Row], npt.NDArray[np.bool_]]:
    """Plant label errors in a share of the utterances of every domain.

    Args:
        rows: utterances, those of a recording one after the other.
        kind: one of `KINDS`.
        share: how many of each domain, 0..1; those off by one are runs of `RUN` utterances.
        recognize: returns the texts that a weak recognizer hears in rows.
        seed: of the choice.

    Returns:
        All rows, and which of them have a text that is not spoken: rows whose new text happens to be theirs do not.
    """
    rng = np.random.default_rng(seed)
    planted, wrong = list(rows), np.zeros(len(rows), np.bool_)
    for domain in sorted({row.domain for row in rows}):
        members = np.flatnonzero([row.domain == domain for row in rows])
        count = round(share * len(members))
        if kind == off_by_one.__name__:
            starts = rng.choice(len(members) // RUN, count // RUN, replace=False) * RUN
            chosen = (starts[:, None] + np.arange(RUN)).ravel()
        elif kind == truncated.__name__:
            several = np.flatnonzero([len(_words(rows[i])) > 1 for i in members])
            chosen = rng.choice(several, count, replace=False)
        else:
            chosen = rng.choice(len(members), count, replace=False)
        own = [rows[i] for i in members]
        for i, row in zip(members[chosen], KINDS[kind](own, chosen, rng, recognize), strict=True):
            planted[i] = row
            wrong[i] = row.text != rows[i].text or kind in CHANGES_AUDIO
    return planted, wrong


def _words(row: Row) -> list[str]:
    return row.text.split()
