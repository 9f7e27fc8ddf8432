"""Prefix tree of a beam search, with language model and hot word scores."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import kenlm
from pyctcdecode.language_model import HotwordScorer, LanguageModel

from stt.text.tokenizer import WORD_START

logging.getLogger("pyctcdecode").setLevel(logging.ERROR)  # it warns about language models with few words
MAX_PARTIAL_WORDS = 200_000  # cached across utterances


class WordLanguageModel(LanguageModel):
    """KenLM with weights and the vocabulary needed to penalize unknown words and their prefixes."""

    def max_score(self, word: str) -> float:
        """Return an upper bound on the score of a word in any context."""
        unknown = 0.0 if word in self._unigram_set else self.unk_score_offset
        return float(self.alpha * math.log(10) * unknown + self.beta)

    def score_end(self, state: kenlm.State) -> float:
        """Return the score of the end of the text."""
        return float(self.alpha * math.log(10) * self._get_raw_end_score(state))


class PartialWord:
    """Prefix of a word, regardless of how it was split into pieces."""

    __slots__ = ("letters", "max_gain", "next", "score")

    def __init__(self, letters: str, score: float, max_gain: float) -> None:
        self.letters = letters
        self.score = score
        self.max_gain = max_gain  # upper bound on what the score of a text gains if the word ends here
        self.next: dict[int, PartialWord] = {}  # by token, filled on demand


class Scorer:
    """Scores words and partial words as pyctcdecode does; shared by the trees of all utterances."""

    def __init__(
        self, pieces: Sequence[str], lm: WordLanguageModel | None, hot_words: Sequence[str], hot_weight: float
    ) -> None:
        """Take the pieces by token, a language model, and hot words with the reward for each."""
        self.starts = [piece.startswith(WORD_START) for piece in pieces]
        self.letters = [piece.removeprefix(WORD_START) for piece in pieces]
        self.lm = lm
        self.hot_words = HotwordScorer.build_scorer(hot_words, hot_weight) if hot_words else None
        # Most that a piece can add to a score within a word, which may be the end of a penalty for a hot word.
        self.max_hot_gain = abs(hot_weight) if hot_words else 0.0
        self._partial_words: dict[str, PartialWord] = {}

    def empty_word(self) -> PartialWord:
        """Return the empty prefix of all words; clears the cache when it has grown too large."""
        if len(self._partial_words) > MAX_PARTIAL_WORDS:
            self._partial_words = {}
        return self._partial_word("")

    def set_weights(self, alpha: float, beta: float) -> None:
        """Change the weights of the language model."""
        if self.lm:
            self.lm.alpha, self.lm.beta = alpha, beta
            self._partial_words = {}

    def extend(self, partial_word: PartialWord, token: int) -> PartialWord:
        """Append a piece to a partial word."""
        partial_word.next[token] = longer = self._partial_word(partial_word.letters + self.letters[token])
        return longer

    def _partial_word(self, letters: str) -> PartialWord:
        partial_word = self._partial_words.get(letters)
        if partial_word is None:
            score = max_score = 0.0
            if letters and self.lm:
                score = self.lm.score_partial_token(letters)
                max_score = self.lm.max_score(letters)
            if self.hot_words and letters in self.hot_words:
                score = self.hot_words.score_partial_token(letters)
                max_score += self.hot_words.score(letters)  # kept, while the next word gains its own
            partial_word = PartialWord(letters, score, max_score - score + self.max_hot_gain)
            self._partial_words[letters] = partial_word
        return partial_word


class WordHistory:
    """Linked list of complete words."""

    __slots__ = ("lm_score", "prefixes", "previous", "score", "state", "word")

    def __init__(self, previous: WordHistory | None, word: str, state: kenlm.State | None, lm_score: float) -> None:
        self.previous = previous
        self.word = word
        self.state = state  # language model state
        self.lm_score = lm_score
        self.score = lm_score  # including hot words
        self.prefixes: dict[PartialWord, Prefix] = {}

    def words(self) -> list[str]:
        """Return all words in order."""
        words: list[str] = []
        history = self
        while history.previous is not None:
            words.append(history.word)
            history = history.previous
        return words[::-1]


class Prefix:
    """Complete words and the partial word that follows."""

    __slots__ = ("finished", "history", "index", "partial_word", "recombination_key", "score")

    def __init__(self, history: WordHistory, partial_word: PartialWord, index: int, recombination_key: int) -> None:
        self.history = history
        self.partial_word = partial_word
        self.score = history.score + partial_word.score
        self.index = index
        self.recombination_key = recombination_key  # shared by prefixes with the same LM context
        self.finished: WordHistory | None = None  # see `PrefixTree.finish`


class PrefixTree:
    """All prefixes explored for one utterance; each is created and scored once."""

    def __init__(self, scorer: Scorer, before: Sequence[str] = ()) -> None:
        """Start from the empty text, which the language model takes for the rest of one that begins with words."""
        self.scorer = scorer
        self.empty_word = scorer.empty_word()
        self._prefixes = 0
        self._recombination_keys: dict[tuple[kenlm.State | int, PartialWord], int] = {}
        state, lm = None, scorer.lm
        if lm:
            state = lm.get_start_state()
            for word in before:
                _, state = lm.score(state, word)
        self.root = self.prefix(WordHistory(None, "", state, 0.0), self.empty_word)

    def prefix(self, history: WordHistory, partial_word: PartialWord) -> Prefix:
        """Return the prefix of a history and a partial word."""
        prefix = history.prefixes.get(partial_word)
        if prefix is None:
            self._prefixes += 1
            # Without a language model no two prefixes are interchangeable: each gets its own key.
            context = (self._prefixes if history.state is None else history.state, partial_word)
            key = self._recombination_keys.setdefault(context, len(self._recombination_keys))
            history.prefixes[partial_word] = prefix = Prefix(history, partial_word, self._prefixes, key)
        return prefix

    def finish(self, prefix: Prefix) -> WordHistory:
        """Complete the partial word, if there is one."""
        if prefix.finished is None:
            word, history, scorer = prefix.partial_word.letters, prefix.history, self.scorer
            if word:
                score, state = scorer.lm.score(history.state, word) if scorer.lm else (0.0, None)
                history = WordHistory(history, word, state, history.lm_score + score)
                if scorer.hot_words:
                    history.score += scorer.hot_words.score(" ".join(history.words()))
            prefix.finished = history
        return prefix.finished

    def end(self, prefix: Prefix) -> tuple[WordHistory, float]:
        """End the text: return all words, including the last, and the score including end of text."""
        history, lm = self.finish(prefix), self.scorer.lm
        return history, history.score + (lm.score_end(history.state) if lm else 0.0)
