"""The number of frames that CTC needs for each text of a manifest, fast enough for millions of texts.

Tokenizer pieces do not span spaces, so the tokens of a text are those of its words, and the number of distinct words is
small. Texts for which this does not hold are recognized by their words and encoded one by one.
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

from stt.cache import cached
from stt.corpus.memory_map import CHUNK_ROWS, iter_chunks
from stt.data.dataset import UtteranceDataset
from stt.errors import InputError
from stt.models.ctc import frames_needed
from stt.progress import track
from stt.text.tokenizer import WORD_START, Tokenizer

Frames = npt.NDArray[np.int32]
UNUSABLE = np.iinfo(np.int32).max  # number of frames for a text that cannot be learned
MIN_CACHED_TEXTS = 1_000_000  # fewer are counted in seconds
VERSION = 1  # of the counting algorithm


def text_frames(dataset: UtteranceDataset) -> Frames:
    """Return the minimum frames for CTC to align each text (row,); `UNUSABLE` where `dataset.target` rejects the text.

    For a long manifest they are cached under a hash of its texts, the tokenizer and the normalizer.
    """
    if len(dataset) < MIN_CACHED_TEXTS:
        return _count(dataset)
    key = hashlib.sha256(dataset.manifest.text_hashes.data)
    key.update(f"{dataset.tokenizer.content_hash} {dataset.normalizer.name} {dataset.normalized}".encode())

    def read(path: Path) -> Frames:
        with np.load(path) as stored:  # a zip file, whose checksum is verified
            frames: Frames = stored["frames"]
        if frames.shape != (len(dataset),):
            raise ValueError(f"{len(frames)} texts instead of {len(dataset)}")
        return frames

    def write(path: Path) -> None:
        np.savez(path, frames=_count(dataset))

    return cached(f"frames-{VERSION}-{key.hexdigest()[:32]}.npz", read, write, lambda: _count(dataset))


def _count(dataset: UtteranceDataset) -> Frames:
    texts, count = dataset.manifest.table["text"], FrameCounter(dataset.tokenizer)
    counted = [np.zeros(0, np.int32)]
    for part in track(
        iter_chunks(texts), "checking texts", sum(-(-len(chunk) // CHUNK_ROWS) for chunk in texts.chunks)
    ):
        if dataset.normalized:
            counted.append(count(part))
            continue
        normalized = [dataset.normalizer(text) for text in part.to_pylist()]
        frames = count(pa.array([one.text for one in normalized], pa.large_string()))
        counted.append(np.where([bool(one.rejected) for one in normalized], UNUSABLE, frames))
    return np.concatenate(counted)


class FrameCounter:
    """Counts the frames that CTC needs for texts, with a cache of encoded words."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Start with an empty cache."""
        self.tokenizer = tokenizer
        self._starts_word = np.array([piece.startswith(WORD_START) for piece in tokenizer.pieces])
        self._splits_at_spaces = not any(WORD_START in piece[1:] for piece in tokenizer.pieces)
        self._words = pa.array([], pa.large_string())
        self._encoded = np.zeros((3, 0), np.int32)  # (3, word), see `_encode_words`

    def __call__(self, texts: pa.LargeStringArray) -> Frames:
        """Return the frames for each normalized text (row,); `UNUSABLE` if empty or outside the alphabet."""
        if not len(texts) or not self._splits_at_spaces:  # some pieces span several words
            return np.array([self._count_text(text) for text in texts.to_pylist()], np.int32)
        split = pc.split_pattern(texts, " ")
        ends = np.cumsum(pc.list_value_length(split).to_numpy())
        starts = np.concatenate([[0], ends[:-1]])
        words = pc.list_flatten(split).dictionary_encode()
        indices = self._word_indices(words.dictionary)[words.indices.to_numpy()]
        frames, first, last = self._encoded[:, indices]
        # CTC needs a blank between two words if the last token of one is the first token of the next.
        same = np.concatenate([[False], first[1:] == last[:-1]])
        same[starts] = False
        total = np.add.reduceat(frames + same, starts).astype(np.int32)
        for row in np.flatnonzero(np.minimum.reduceat(frames, starts) == 0).tolist():
            total[row] = self._count_text(texts[row].as_py())
        return total

    def _word_indices(self, words: pa.Array) -> npt.NDArray[np.int64]:
        """Return the index of each word in the cache, adding new words to it."""
        new = words.filter(pc.invert(pc.is_in(words, self._words)))
        if len(new):
            self._words = pa.concat_arrays([self._words, new])
            self._encoded = np.concatenate([self._encoded, self._encode_words(new.to_pylist())], axis=1)
        return np.asarray(pc.index_in(words, self._words).to_numpy(), dtype=np.int64)

    def _encode_words(self, words: list[str]) -> Frames:
        """Return frames, first and last token of each word (3, word); 0 frames if its texts must be encoded singly."""
        encoded = self.tokenizer.encode_batch(words)
        counts = np.fromiter(map(len, encoded), np.int32, len(words))
        tokens = np.fromiter(itertools.chain.from_iterable(encoded), np.int32, int(counts.sum()))
        nonempty = np.flatnonzero(counts)  # consecutive spaces produce empty words
        begins, ends = (np.cumsum(counts) - counts)[nonempty], np.cumsum(counts)[nonempty] - 1
        repeats = np.concatenate([[0], np.cumsum(tokens[1:] == tokens[:-1])])  # up to each token
        result = np.zeros((3, len(words)), np.int32)
        result[:, nonempty] = counts[nonempty] + repeats[ends] - repeats[begins], tokens[begins], tokens[ends]
        # A word that does not start with the word marker would be encoded differently inside a text.
        result[0, ~self._starts_word[result[1]]] = 0
        unknown = "".join(set("".join(words)) - self.tokenizer.alphabet)
        if unknown:
            pattern = re.compile(f"[{re.escape(unknown)}]")
            result[0, [bool(pattern.search(word)) for word in words]] = 0
        return result

    def _count_text(self, text: str) -> int:
        try:
            return frames_needed(self.tokenizer.encode(text)) if text else UNUSABLE
        except InputError:
            return UNUSABLE
