"""What a beam search may have heard so far: a tree of texts, with the scores of language model and hot words."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import kenlm
from pyctcdecode.language_model import HotwordScorer, LanguageModel

from stt.text.tokenizer import WORD_START

logging.getLogger("pyctcdecode").setLevel(logging.ERROR)  # it wonders about language models of few words
MOST_SPELLINGS = 200_000  # kept from one utterance to the next


class WordModel(LanguageModel):
    """KenLM with weights, and what it must know to punish unknown words and their beginnings."""

    def most_for(self, word: str) -> float:
        """The most that a word can score, wherever it stands."""
        unknown = 0.0 if word in self._unigram_set else self.unk_score_offset
        return float(self.alpha * math.log(10) * unknown + self.beta)

    def score_end(self, state: kenlm.State) -> float:
        """Score the end of the text alone."""
        return float(self.alpha * math.log(10) * self._get_raw_end_score(state))


class Spelling:
    """The beginning of a word, however it was put together from pieces."""

    __slots__ = ("letters", "most_gain", "next", "score")

    def __init__(self, letters: str, score: float, most_gain: float) -> None:
        self.letters = letters
        self.score = score
        self.most_gain = most_gain  # what the score of a text can gain when the word ends here
        self.next: dict[int, Spelling] = {}  # by token, as far as it was asked for


class Scorer:
    """Scores words and their beginnings as pyctcdecode does; shared by the trees of all utterances."""

    def __init__(self, pieces: Sequence[str], lm: WordModel | None, hot_words: Sequence[str], hot: float) -> None:
        """Take the pieces by token, a language model, and hot words with the reward of each."""
        self.starts = [piece.startswith(WORD_START) for piece in pieces]
        self.letters = [piece.removeprefix(WORD_START) for piece in pieces]
        self.lm = lm
        self.hot_words = HotwordScorer.build_scorer(hot_words, hot) if hot_words else None
        self.hot = hot if hot_words else 0.0  # what a piece can add at most to a score inside of a word
        self._spellings: dict[str, Spelling] = {}

    def begin(self) -> Spelling:
        """Give the beginning of all words; what was kept is forgotten where it has become much, or was reset."""
        if len(self._spellings) > MOST_SPELLINGS:
            self._spellings = {}
        return self._spelling("")

    def reset(self, alpha: float, beta: float) -> None:
        """Go on with other weights of the language model."""
        if self.lm:
            self.lm.alpha, self.lm.beta = alpha, beta
            self._spellings = {}

    def spell(self, spelling: Spelling, token: int) -> Spelling:
        """Add a piece to a begun word."""
        spelling.next[token] = longer = self._spelling(spelling.letters + self.letters[token])
        return longer

    def _spelling(self, letters: str) -> Spelling:
        found = self._spellings.get(letters)
        if found is None:
            score = most = 0.0
            if letters and self.lm:
                score = self.lm.score_partial_token(letters)
                most = self.lm.most_for(letters)
            if self.hot_words and letters in self.hot_words:
                score = self.hot_words.score_partial_token(letters)
            self._spellings[letters] = found = Spelling(letters, score, most - score + self.hot)
        return found


class History:
    """Finished words."""

    __slots__ = ("lm_score", "prefixes", "previous", "score", "state", "word")

    def __init__(self, previous: History | None, word: str, state: kenlm.State | None, lm_score: float) -> None:
        self.previous = previous
        self.word = word
        self.state = state  # of the language model
        self.lm_score = lm_score
        self.score = lm_score  # with hot words
        self.prefixes: dict[Spelling, Prefix] = {}

    def words(self) -> list[str]:
        """All words, the first one first."""
        words: list[str] = []
        history = self
        while history.previous is not None:
            words.append(history.word)
            history = history.previous
        return words[::-1]


class Prefix:
    """Finished words and the beginning of the next."""

    __slots__ = ("finished", "future", "history", "number", "score", "spelling")

    def __init__(self, history: History, spelling: Spelling, number: int, future: int) -> None:
        self.history = history
        self.spelling = spelling
        self.score = history.score + spelling.score
        self.number = number
        self.future = future  # the same for all that a language model cannot tell apart from now on
        self.finished: History | None = None  # see `PrefixTree.finish`


class PrefixTree:
    """All prefixes of one utterance that were worth it; each exists, and is scored, once."""

    def __init__(self, scorer: Scorer) -> None:
        """Begin with nothing said."""
        self.scorer = scorer
        self.beginning = scorer.begin()
        self._prefixes = 0
        self._futures: dict[tuple[kenlm.State | int, Spelling], int] = {}
        state = scorer.lm.get_start_state() if scorer.lm else None
        self.root = self.prefix(History(None, "", state, 0.0), self.beginning)

    def prefix(self, history: History, spelling: Spelling) -> Prefix:
        """Give the prefix of these."""
        found = history.prefixes.get(spelling)
        if found is None:
            self._prefixes += 1
            # Without a language model nothing is known of what two texts have in common: each has its own future.
            future = (self._prefixes if history.state is None else history.state, spelling)
            number = self._futures.setdefault(future, len(self._futures))
            history.prefixes[spelling] = found = Prefix(history, spelling, self._prefixes, number)
        return found

    def finish(self, prefix: Prefix) -> History:
        """Finish the begun word, if there is one."""
        if prefix.finished is None:
            word, history, scorer = prefix.spelling.letters, prefix.history, self.scorer
            if word:
                score, state = scorer.lm.score(history.state, word) if scorer.lm else (0.0, None)
                history = History(history, word, state, history.lm_score + score)
                if scorer.hot_words:
                    history.score += scorer.hot_words.score(" ".join(history.words()))
            prefix.finished = history
        return prefix.finished

    def end(self, prefix: Prefix) -> tuple[History, float]:
        """Give all words, the last one finished, and their score with that of the text's end."""
        history, lm = self.finish(prefix), self.scorer.lm
        return history, history.score + (lm.score_end(history.state) if lm else 0.0)
