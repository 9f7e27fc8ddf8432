"""The plan of a synthesized corpus: which voice speaks which sentence, in which order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np


class Sentence(NamedTuple):
    """A text to be spoken, and its transcript."""

    where: str  # its source, for messages
    spoken: str
    text: str  # normalized


class Utterance(NamedTuple):
    """A sentence, and the voice that speaks it."""

    sentence: Sentence
    voice: str


def plan(sentences: Sequence[Sentence], voices: Sequence[str], seed: int, endless: bool) -> Iterator[Utterance]:
    """Plan passes over all sentences, each in another random order.

    In a pass, all voices speak equally often; a sentence has another voice in every pass, until it has had them all.

    Args:
        sentences: those to be spoken.
        voices: those to speak them.
        seed: of the orders.
        endless: whether there are more passes than one.
    """
    first_voices = np.random.default_rng([seed, 0]).permutation(len(sentences)) % len(voices)
    number = 0
    while not number or endless:
        for i in np.random.default_rng([seed, 1, number]).permutation(len(sentences)).tolist():
            yield Utterance(sentences[i], voices[(int(first_voices[i]) + number) % len(voices)])
        number += 1
