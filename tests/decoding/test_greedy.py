import torch

from stt.decoding.greedy import greedy_decode
from stt.decoding.words import words_from_hypothesis
from stt.text.tokenizer import train_tokenizer

TOKENIZER = train_tokenizer(["ab ba", "a b", "abba", "baab ab"] * 5, 8)


def slow_decode(best: list[int]) -> tuple[list[int], list[int]]:
    """Merge repeats and drop blanks, frame by frame."""
    tokens, frames, previous = [], [], 0
    for frame, token in enumerate(best):
        if token not in (0, previous):
            tokens.append(token)
            frames.append(frame)
        previous = token
    return tokens, frames


def peaked_log_probs(best: torch.Tensor, vocab: int) -> torch.Tensor:
    return torch.log_softmax(8.0 * torch.nn.functional.one_hot(best, vocab).float(), dim=-1)


def test_it_matches_a_loop_over_frames() -> None:
    generator = torch.Generator().manual_seed(0)
    best = torch.randint(0, TOKENIZER.vocab_size, (50, 30), generator=generator)
    best[best > 4] = 0
    lengths = torch.randint(0, 31, (50,), generator=generator)
    for i, hypothesis in enumerate(greedy_decode(peaked_log_probs(best, TOKENIZER.vocab_size), lengths, TOKENIZER)):
        tokens, frames = slow_decode(best[i, : lengths[i]].tolist())
        assert hypothesis.tokens == tokens
        assert hypothesis.frames == frames
        assert hypothesis.text == TOKENIZER.decode(tokens)


def test_padding_is_not_decoded() -> None:
    best = torch.tensor([[1, 0, 2, 2]])
    assert greedy_decode(peaked_log_probs(best, 8), torch.tensor([2]), TOKENIZER)[0].tokens == [1]


def test_silence_gives_an_empty_text() -> None:
    hypothesis = greedy_decode(peaked_log_probs(torch.zeros(1, 5, dtype=torch.long), 8), torch.tensor([5]), TOKENIZER)[
        0
    ]
    assert hypothesis.text == ""
    assert words_from_hypothesis(hypothesis, TOKENIZER, 0.08) == []


def test_word_times_come_from_their_frames() -> None:
    tokenizer = TOKENIZER
    tokens = tokenizer.encode("ab ba")
    best = torch.zeros(1, 20, dtype=torch.long)
    positions = [3 + 4 * i for i in range(len(tokens))]
    best[0, positions] = torch.tensor(tokens)
    hypothesis = greedy_decode(peaked_log_probs(best, tokenizer.vocab_size), torch.tensor([20]), tokenizer)[0]
    words = words_from_hypothesis(hypothesis, tokenizer, 0.08, start=10.0)
    assert [word.text for word in words] == ["ab", "ba"]
    assert words[0].start == 10.0 + 3 * 0.08
    assert words[0].start < words[0].end <= words[1].start < words[1].end == 10.0 + (positions[-1] + 1) * 0.08
    assert 0.9 < words[0].confidence <= 1
