"""How many frames CTC needs for each text of a manifest, for millions of texts.

A piece of the tokenizer does not reach over a space, so the tokens of a text are those of its words, and there are few
different words. Which texts this does not hold for is seen from the words; those are encoded one by one.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stt.corpus.pages import PART, parts
from stt.data.dataset import UtteranceDataset
from stt.errors import InputError
from stt.files import cached
from stt.models.ctc import frames_needed
from stt.progress import track
from stt.text.tokenizer import WORD_START, Tokenizer

Frames = npt.NDArray[np.int32]
UNUSABLE = np.iinfo(np.int32).max  # frames of a text that cannot be learned
CACHED_FROM = 1_000_000  # texts; fewer are counted in seconds
VERSION = 1  # of how they are counted


def text_frames(dataset: UtteranceDataset) -> Frames:
    """Fewest frames that CTC can align each text to (row,); `UNUSABLE` where `dataset.target` refuses the text.

    For a long manifest they are cached; they follow from its texts, the tokenizer and the normalizer.
    """
    if len(dataset) < CACHED_FROM:
        return _count(dataset)
    key = hashlib.sha256(dataset.manifest.text_hashes.data)
    key.update(f"{dataset.tokenizer.content_hash} {dataset.normalizer.name} {dataset.normalized}".encode())

    def read(path: Path) -> Frames:
        with np.load(path) as stored:  # a zip file, which knows its checksum
            frames: Frames = stored["frames"]
        if frames.shape != (len(dataset),):
            raise ValueError(f"{len(frames)} texts, not {len(dataset)}")
        return frames

    def write(path: Path) -> None:
        np.savez(path, frames=_count(dataset))

    return cached(f"frames-{VERSION}-{key.hexdigest()[:32]}.npz", read, write, lambda: _count(dataset))


def _count(dataset: UtteranceDataset) -> Frames:
    texts, count = dataset.manifest.table["text"], FrameCounter(dataset.tokenizer)
    counted = [np.zeros(0, np.int32)]
    for part in track(parts(texts), "checking texts", sum(-(-len(chunk) // PART) for chunk in texts.chunks)):
        if dataset.normalized:
            counted.append(count(part))
            continue
        normalized = [dataset.normalizer(text) for text in part.to_pylist()]
        frames = count(pa.array([one.text for one in normalized], pa.large_string()))
        counted.append(np.where([bool(one.refused) for one in normalized], UNUSABLE, frames))
    return np.concatenate(counted)


class FrameCounter:
    """Counts the frames that CTC needs for texts, and remembers their words."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Start without words."""
        self.tokenizer = tokenizer
        self._starts = np.array([piece.startswith(WORD_START) for piece in tokenizer.pieces])
        self._in_words = not any(WORD_START in piece[1:] for piece in tokenizer.pieces)
        self._words = pa.array([], pa.large_string())
        self._known = np.zeros((3, 0), np.int32)  # (3, word): as `_encoded` gives them

    def __call__(self, texts: pa.LargeStringArray) -> Frames:
        """Frames for each normalized text (row,); `UNUSABLE` where it is empty or outside the tokenizer."""
        if not len(texts) or not self._in_words:  # there are pieces of several words
            return np.array([self._alone(text) for text in texts.to_pylist()], np.int32)
        split = pc.split_pattern(texts, " ")
        ends = np.cumsum(pc.list_value_length(split).to_numpy())
        starts = np.concatenate([[0], ends[:-1]])
        words = pc.list_flatten(split).dictionary_encode()
        places = self._places(words.dictionary)[words.indices.to_numpy()]
        frames, first, last = self._known[:, places]
        # A blank must stand between two words of a text where the token that one ends with begins the next.
        same = np.concatenate([[False], first[1:] == last[:-1]])
        same[starts] = False
        whole = np.add.reduceat(frames + same, starts).astype(np.int32)
        for row in np.flatnonzero(np.minimum.reduceat(frames, starts) == 0).tolist():
            whole[row] = self._alone(texts[row].as_py())
        return whole

    def _places(self, words: pa.Array) -> npt.NDArray[np.int64]:
        """Index of each word among those that are known by now."""
        new = words.filter(pc.invert(pc.is_in(words, self._words)))
        if len(new):
            self._words = pa.concat_arrays([self._words, new])
            self._known = np.concatenate([self._known, self._encoded(new.to_pylist())], axis=1)
        return np.asarray(pc.index_in(words, self._words).to_numpy(), dtype=np.int64)

    def _encoded(self, words: list[str]) -> Frames:
        """Frames, first and last token of each word (3, word); no frames if its texts must be looked at one by one."""
        encoded = self.tokenizer.encode_all(words)
        counts = np.fromiter(map(len, encoded), np.int32, len(words))
        tokens = np.fromiter(itertools.chain.from_iterable(encoded), np.int32, int(counts.sum()))
        there = np.flatnonzero(counts)  # spaces beside spaces make empty words
        begins, ends = (np.cumsum(counts) - counts)[there], np.cumsum(counts)[there] - 1
        repeats = np.concatenate([[0], np.cumsum(tokens[1:] == tokens[:-1])])  # up to each token
        found = np.zeros((3, len(words)), np.int32)
        found[:, there] = counts[there] + repeats[ends] - repeats[begins], tokens[begins], tokens[ends]
        # Without its mark at the start a word would look different inside a text.
        found[0, ~self._starts[found[1]]] = 0
        unknown = "".join(set("".join(words)) - self.tokenizer.alphabet)
        if unknown:
            outside = re.compile(f"[{re.escape(unknown)}]")
            found[0, [bool(outside.search(word)) for word in words]] = 0
        return found

    def _alone(self, text: str) -> int:
        try:
            return frames_needed(self.tokenizer.encode(text)) if text else UNUSABLE
        except InputError:
            return UNUSABLE
