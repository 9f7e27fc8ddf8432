import json
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import kenlm
import numpy as np
import pytest
import torch

from stt.cli.main import main
from stt.decoding.beam import BeamOptions, BeamSearch
from stt.decoding.greedy import greedy_decode
from stt.decoding.language_model import read_description
from stt.decoding.train_lm import train_language_model
from stt.errors import InputError
from stt.text.normalize import get_normalizer
from stt.text.tokenizer import Tokenizer, train_tokenizer

SENTENCES = ["a bad cab", "a bad bed", "add a bead", "dad fed a cab", "a bad dad", "fed a bad cab"] * 4


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lm") / "lm.binary"
    train_language_model(SENTENCES, path, get_normalizer("plain-1"), order=3)
    return path


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(SENTENCES, 20)


def log_probs_for(text: str, tokenizer: Tokenizer, confidence: float = 0.9, seed: int = 0) -> np.ndarray:
    """Return log-probabilities (frame, vocab) for a text: two frames per piece, each followed by a blank."""
    rng = np.random.default_rng(seed)
    frames = [token for piece in tokenizer.encode(text) for token in (piece, piece, 0)]
    probabilities = rng.dirichlet(np.full(tokenizer.vocab_size, 0.3), len(frames)) * (1 - confidence)
    probabilities[np.arange(len(frames)), frames] += confidence
    return np.log(probabilities + 1e-9).astype(np.float32)


def test_the_description_holds_vocabulary_and_order(lm: Path) -> None:
    description = read_description(lm, "plain-1")
    assert sorted(description.words) == sorted({word for text in SENTENCES for word in text.split()})
    assert (description.order, kenlm.Model(str(lm)).order) == (3, 3)


def test_probabilities_sum_to_one_in_every_context(lm: Path) -> None:
    model = kenlm.Model(str(lm))
    words = [*read_description(lm, "plain-1").words, "</s>", "unheard"]  # all unknown words share one probability
    rng = random.Random(0)
    for _ in range(20):
        context = [rng.choice(words[:-2]) for _ in range(rng.randint(0, 3))]
        state, after = kenlm.State(), kenlm.State()
        model.BeginSentenceWrite(state)
        for word in context:
            model.BaseScore(state, word, after)
            state, after = after, kenlm.State()
        total = sum(10 ** model.BaseScore(state, word, kenlm.State()) for word in words)
        assert total == pytest.approx(1, abs=1e-4), context


def test_without_a_language_model_a_beam_width_of_one_is_greedy(tokenizer: Tokenizer) -> None:
    search = BeamSearch(tokenizer, "plain-1", BeamOptions(beam_width=1))
    for seed, text in enumerate(SENTENCES[:6]):
        log_probs = log_probs_for(text, tokenizer, 0.7, seed)
        greedy = greedy_decode(torch.from_numpy(log_probs)[None], torch.tensor([len(log_probs)]), tokenizer)[0]
        assert search.beams(log_probs)[0].text == greedy.text == text


def test_a_word_start_piece_without_letters_does_not_split_words() -> None:
    tokenizer = train_tokenizer(["ab cd", "ab ab", "cd cd"] * 5, 12)
    lone = tokenizer.pieces.index("\u2581")
    letters = [tokenizer.pieces.index(letter) for letter in "dc"]
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(tokenizer.vocab_size), 6) * 0.3
    probabilities[np.arange(6), [lone, letters[0], letters[1], lone, letters[1], letters[0]]] += 0.7
    beam = BeamSearch(tokenizer, "plain-1", BeamOptions()).beams(np.log(probabilities).astype(np.float32))[0]
    assert beam.text == "dc cd"
    assert [word for word, _, _ in beam.frames] == ["dc", "cd"]


def test_scores_match_kenlm(lm: Path, tokenizer: Tokenizer) -> None:
    options = BeamOptions(str(lm), alpha=0.7, beta=1.5)
    search = BeamSearch(tokenizer, "plain-1", options)
    for text in SENTENCES[:6]:
        best = search.beams(log_probs_for(text, tokenizer))[0]
        assert best.text == text
        log10 = kenlm.Model(str(lm)).score(text)
        expected = options.alpha * log10 * np.log(10) + options.beta * len(text.split())
        assert best.score - best.acoustic == pytest.approx(expected, abs=1e-3)


def test_the_language_model_corrects_an_ambiguous_word(lm: Path, tokenizer: Tokenizer) -> None:
    log_probs = log_probs_for("a bad cab", tokenizer, 0.95)
    wrong = log_probs_for("a bad bab", tokenizer, 0.95)
    size = min(len(log_probs), len(wrong))
    mixed = np.log(0.48 * np.exp(log_probs[:size]) + 0.52 * np.exp(wrong[:size])).astype(np.float32)
    without_lm = BeamSearch(tokenizer, "plain-1", BeamOptions()).beams(mixed)[0].text
    with_lm = BeamSearch(tokenizer, "plain-1", BeamOptions(str(lm))).beams(mixed)[0].text
    assert with_lm == "a bad cab" != without_lm


def test_a_hot_word_is_preferred(tokenizer: Tokenizer) -> None:
    one, other = log_probs_for("dad", tokenizer, 0.95), log_probs_for("bad", tokenizer, 0.95)
    size = min(len(one), len(other))
    mixed = np.log(0.4 * np.exp(one[:size]) + 0.6 * np.exp(other[:size])).astype(np.float32)
    plain = BeamSearch(tokenizer, "plain-1", BeamOptions()).beams(mixed)[0].text
    hot = BeamSearch(tokenizer, "plain-1", BeamOptions(hot_words=("dad",))).beams(mixed)[0].text
    assert "dad" in hot.split()
    assert "dad" not in plain.split()


def test_words_have_times_and_confidences(tokenizer: Tokenizer) -> None:
    search = BeamSearch(tokenizer, "plain-1", BeamOptions(token_min_logp=-8))
    confident = search.words(log_probs_for("a bad cab", tokenizer, 0.99), 0.08, start=10)
    uncertain = search.words(log_probs_for("a bad cab", tokenizer, 0.55, seed=3), 0.08, start=10)
    assert [word.text for word in confident] == ["a", "bad", "cab"]
    times = [time for word in confident for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[0] == pytest.approx(10, abs=0.09)
    assert min(word.confidence for word in confident) > 0.9
    assert min(word.confidence for word in uncertain) < min(word.confidence for word in confident)


def joined(tokenizer: Tokenizer, count: int, seed: int) -> np.ndarray:
    """Return log-probabilities (frame, vocab) of uncertain sentences with pauses between them."""
    pause = np.full((10, tokenizer.vocab_size), -12, np.float32)
    pause[:, 0] = -0.001
    sentences = [log_probs_for(SENTENCES[(seed + i) % 6], tokenizer, 0.25, 40 * seed + i) for i in range(count)]
    return np.concatenate([part for sentence in sentences for part in (sentence, pause)])


def test_words_of_a_long_output_are_those_of_its_text(lm: Path, tokenizer: Tokenizer) -> None:
    search = BeamSearch(tokenizer, "plain-1", BeamOptions(str(lm)))
    for seed in range(4):
        log_probs = joined(tokenizer, 20, seed)
        words = search.words(log_probs, 0.08)
        assert " ".join(word.text for word in words) == search.text(log_probs) != ""
        assert all(0 <= word.start < word.end <= len(log_probs) * 0.08 for word in words)
        assert all(one.end <= other.start for one, other in pairwise(words))


def test_confidences_do_not_depend_on_how_much_follows(lm: Path, tokenizer: Tokenizer) -> None:
    search = BeamSearch(tokenizer, "plain-1", BeamOptions(str(lm)))
    alone, first = (search.words(joined(tokenizer, count, seed=1), 0.08)[:12] for count in (5, 20))
    assert [word.text for word in first] == [word.text for word in alone]
    assert [word.confidence for word in first] == pytest.approx([word.confidence for word in alone], abs=0.02)
    assert min(word.confidence for word in first) < 0.9


def test_n_best_texts_are_distinct_and_sorted_by_score(tokenizer: Tokenizer) -> None:
    beams = BeamSearch(tokenizer, "plain-1", BeamOptions()).beams(log_probs_for("a bad cab", tokenizer, 0.6), n_best=5)
    assert 1 < len(beams) <= 5
    assert [beam.score for beam in beams] == sorted((beam.score for beam in beams), reverse=True)
    assert len({beam.text for beam in beams}) == len(beams)


def test_silence_and_empty_input_give_an_empty_text(tokenizer: Tokenizer) -> None:
    search = BeamSearch(tokenizer, "plain-1", BeamOptions())
    assert search.beams(np.zeros((0, tokenizer.vocab_size), np.float32))[0].text == ""
    silence = np.full((20, tokenizer.vocab_size), -20, np.float32)
    silence[:, 0] = 0
    assert search.words(silence, 0.08) == []


def test_incompatible_files_are_rejected(lm: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    def search(tokens: Tokenizer = tokenizer, normalizer: str = "plain-1", **options: object) -> BeamSearch:
        return BeamSearch(tokens, normalizer, BeamOptions(**{"lm": str(lm), **options}))  # type: ignore[arg-type]

    with pytest.raises(InputError, match="--normalizer russian-1"):
        search(normalizer="russian-1")
    with pytest.raises(InputError, match="lm train"):
        search(lm=str(tmp_path / "missing.binary"))
    with pytest.raises(InputError, match="hot word 'xylophone'"):
        search(hot_words=("xylophone",))
    with pytest.raises(InputError, match="another language"):
        search(train_tokenizer(["ого эге", "эге ого"], 10))
    lone = tmp_path / "lone.binary"
    lone.write_bytes(lm.read_bytes())
    with pytest.raises(InputError, match=r"lone\.binary\.json is missing"):
        search(lm=str(lone))
    (tmp_path / "lone.binary.json").write_bytes((lm.parent / "lm.binary.json").read_bytes())
    damaged = bytearray(lm.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    lone.write_bytes(damaged)
    with pytest.raises(InputError, match=r"lone\.binary is damaged"):
        search(lm=str(lone))
    description = json.loads((lm.parent / "lm.binary.json").read_text())
    del description["crc32"]  # as version 0.1 wrote it
    (tmp_path / "lone.binary.json").write_text(json.dumps(description))
    lone.write_bytes(lm.read_bytes())
    search(lm=str(lone))
    lone.write_bytes(b"not a language model")
    with pytest.raises(InputError, match="KenLM cannot read"):
        search(lm=str(lone))


def test_lm_train_reads_texts_and_manifests_and_reports_skipped_lines(
    tmp_path: Path, tones: Path, capsys: pytest.CaptureFixture[str], fails: Callable[..., str]
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("A bad cab!\n\nIt costs 5 % more\n")
    out = tmp_path / "deep" / "lm.binary"
    with pytest.raises(SystemExit) as exit_:
        main(["lm", "train", str(text), str(tones), f"--out={out}", "--order=2"])
    assert exit_.value.code == 0
    printed = capsys.readouterr().out
    assert "121 lines" in printed
    assert "1 lines for symbol %" in printed
    assert {"bad", "cab"} < set(json.loads(out.with_name("lm.binary.json").read_text())["words"])
    assert sorted(path.name for path in out.parent.iterdir()) == ["lm.binary", "lm.binary.json"]
    text.write_text("\n % \n")
    assert "no text" in fails(main, ["lm", "train", str(text), f"--out={tmp_path / 'no.binary'}"])
    assert "2..6" in fails(main, ["lm", "train", str(tones), f"--out={tmp_path / 'no.binary'}", "--order=9"])
    assert "missing.txt" in fails(
        main, ["lm", "train", str(tmp_path / "missing.txt"), f"--out={tmp_path / 'no.binary'}"]
    )


def test_files_are_transcribed_with_a_language_model(
    trained: Path, tones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lm = tmp_path / "lm.binary"
    for arguments in (["lm", "train", str(tones), f"--out={lm}"], ["transcribe", "--format=json", f"--lm={lm}"]):
        if arguments[0] == "transcribe":
            arguments += [str(trained / "checkpoints" / "best.ckpt"), str(tones.parent / "3.wav")]
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main(arguments)
        assert exit_.value.code == 0
    line = json.loads(capsys.readouterr().out)
    assert line["text"] == json.loads(tones.read_text().splitlines()[3])["text"]
    assert all(0 < word["confidence"] <= 1 and 0 <= word["start"] < word["end"] for word in line["words"])
