import itertools
from pathlib import Path

import kenlm
import numpy as np
import pytest
from pyctcdecode.alphabet import Alphabet
from pyctcdecode.decoder import BeamSearchDecoderCTC

from stt.decoding import prefix_tree
from stt.decoding.prefix_tree import PrefixTree, Scorer, WordLanguageModel
from stt.decoding.search import Beam, search
from stt.decoding.train_lm import train_language_model
from stt.text.normalize import get_normalizer
from stt.text.tokenizer import WORD_START

PIECES = ["", "▁a", "▁b", "a", "b", "ab", "▁ba"]
WORDS = ["a", "b", "ab", "ba", "aab", "bab"]
NO_PRUNING = {"width": 100_000, "token_min_logp": -1000.0, "prune_logp": -1000.0, "recombine": False}


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lm") / "lm.binary"
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, rng.integers(1, 6), p=[0.3, 0.2, 0.2, 0.1, 0.1, 0.1])) for _ in range(200)]
    train_language_model(texts, path, get_normalizer("plain-1"), order=3)
    return path


def word_model(lm: Path, alpha: float = 0.8, beta: float = 1.5) -> WordLanguageModel:
    return WordLanguageModel(kenlm.Model(str(lm)), WORDS, alpha, beta, -3.0)


def random_log_probs(frames: int, seed: int, sharpness: float = 1.5, pieces: int = len(PIECES)) -> np.ndarray:
    """Random log-probabilities (frame, vocab); sharpness raises their confidence."""
    logits = np.random.default_rng(seed).normal(0, sharpness, (frames, pieces))
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)


def find(log_probs: np.ndarray, scorer: Scorer, **options: object) -> list[Beam]:
    return search(log_probs, PrefixTree(scorer), **{**NO_PRUNING, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(5))
def test_without_pruning_scores_match_brute_force_over_all_paths(seed: int) -> None:
    log_probs = random_log_probs(5, seed, pieces=5)
    scores: dict[str, float] = {}
    for path in itertools.product(range(5), repeat=len(log_probs)):
        spoken = "".join(PIECES[token] for token, _ in itertools.groupby(path))
        text = " ".join(spoken.replace(WORD_START, " ").split())
        logp = float(sum(log_probs[frame, token] for frame, token in enumerate(path)))
        scores[text] = np.logaddexp(scores.get(text, -np.inf), logp)
    found = find(log_probs, Scorer(PIECES[:5], None, (), 0.0))
    assert {beam.text: beam.acoustic for beam in found} == pytest.approx(scores, abs=1e-4)
    assert np.logaddexp.reduce([beam.acoustic for beam in found]) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("hot_words", [(), ("bab",), ("aab", "ba")])
@pytest.mark.parametrize("seed", range(4))
def test_texts_and_scores_match_pyctcdecode(lm: Path, seed: int, hot_words: tuple[str, ...]) -> None:
    log_probs = random_log_probs(9, seed)
    other = BeamSearchDecoderCTC(Alphabet(PIECES, is_bpe=True), word_model(lm))
    expected = other.decode_beams(
        log_probs, beam_width=1500, beam_prune_logp=-1000, token_min_logp=-1000, hotwords=hot_words, hotword_weight=4.0
    )
    found = find(log_probs, Scorer(PIECES, word_model(lm), hot_words, 4.0), width=1500)
    for beam, (text, _, places, acoustic, score) in zip(found[:20], expected, strict=False):
        assert (beam.text, beam.acoustic, beam.score) == (
            text,
            pytest.approx(acoustic, abs=0.01),
            pytest.approx(score, abs=0.01),
        )
        assert [word for word, _, _ in beam.frames] == [word for word, _ in places]
    assert len(found) > 20


@pytest.mark.parametrize("hot_words", [(), ("bab",)])
def test_pruning_rarely_loses_the_best_text(lm: Path, hot_words: tuple[str, ...]) -> None:
    same = 0
    for seed in range(20):
        log_probs = random_log_probs(12, seed, sharpness=4)
        scorer = Scorer(PIECES, word_model(lm), hot_words, 4.0)
        wide = find(log_probs, scorer, width=300)[0]
        pruned = find(log_probs, scorer, width=50, token_min_logp=-8.0, prune_logp=-8.0, recombine=True)[0]
        assert pruned.score <= wide.score + 1e-6
        same += pruned.text == wide.text
    assert same >= 18


@pytest.mark.parametrize("hot_weight", [-10.0, 4.0])
def test_no_text_is_lost_that_hot_words_leave_within_the_limit(lm: Path, hot_weight: float) -> None:
    for seed in range(5):
        bounded, unbounded = (Scorer(PIECES, word_model(lm), ("bab", "ab"), hot_weight) for _ in range(2))
        unbounded.max_hot_gain = 1000.0
        found, all_beams = (
            find(random_log_probs(9, seed, sharpness=3), scorer, prune_logp=-5.0) for scorer in (bounded, unbounded)
        )
        assert {beam.text: beam.score for beam in found} == pytest.approx(
            {beam.text: beam.score for beam in all_beams}, abs=1e-3
        )


def test_recombination_keeps_the_best_text(lm: Path) -> None:
    for seed in range(5):
        log_probs = random_log_probs(8, seed, sharpness=3)
        scorer = Scorer(PIECES, word_model(lm), (), 0.0)
        recombined = find(log_probs, scorer, prune_logp=-12, recombine=True)
        all_beams = find(log_probs, scorer, prune_logp=-12)
        assert recombined[0].text == all_beams[0].text
        assert len(recombined) < len(all_beams)


def test_blank_frames_shift_times_and_cost_their_probability(lm: Path) -> None:
    log_probs = random_log_probs(12, 3, sharpness=4)
    pause = np.full((40, len(PIECES)), -12.0, np.float32)
    pause[:, 0] = -0.001
    scorer = Scorer(PIECES, word_model(lm), (), 0.0)
    options = {"token_min_logp": -8.0, "prune_logp": -30.0, "width": 500}
    short = find(np.concatenate([pause[:1], log_probs, pause[:1]]), scorer, **options)[0]
    long = find(np.concatenate([pause, log_probs, pause]), scorer, **options)[0]
    assert long.text == short.text != ""
    assert long.frames == [(word, first + 39, last + 39) for word, first, last in short.frames]
    assert long.score - short.score == pytest.approx(-0.078, abs=1e-4)


def test_set_weights_is_equivalent_to_a_new_scorer(lm: Path) -> None:
    changed = Scorer(PIECES, word_model(lm, 0.0, 0.0), (), 0.0)
    log_probs = random_log_probs(12, 1, sharpness=3)
    before = find(log_probs, changed, width=500)[0]
    changed.set_weights(0.8, 1.5)
    after, new = (find(log_probs, one, width=500)[0] for one in (changed, Scorer(PIECES, word_model(lm), (), 0.0)))
    assert after == new
    assert after.score != before.score


def test_the_partial_word_cache_is_bounded_and_does_not_change_results(
    lm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbounded, bounded = (Scorer(PIECES, word_model(lm), (), 0.0) for _ in range(2))
    first = [find(random_log_probs(12, seed), unbounded, width=50)[0] for seed in range(5)]
    monkeypatch.setattr(prefix_tree, "MAX_PARTIAL_WORDS", 10)
    assert [find(random_log_probs(12, seed), bounded, width=50)[0] for seed in range(5)] == first
    assert len(unbounded._partial_words) > 10
    bounded.empty_word()
    assert len(bounded._partial_words) == 1
