from collections import Counter
from itertools import islice

from stt.corpus.synthesis.plan import Sentence, plan

SENTENCES = [Sentence(f"a.txt:{i}", f"Text {i}.", f"text {i}") for i in range(12)]
VOICES = ["en+f1", "en-US+m1", "en-029+m2", "en-GB-scotland+f2"]


def test_a_single_pass_speaks_every_sentence_once_and_all_voices_equally_often() -> None:
    utterances = list(plan(SENTENCES, VOICES, seed=0, endless=False))
    assert sorted(utterance.sentence for utterance in utterances) == sorted(SENTENCES)
    assert Counter(utterance.voice for utterance in utterances) == dict.fromkeys(VOICES, 3)


def test_later_passes_speak_the_sentences_in_another_order_and_other_voices() -> None:
    passes = plan(SENTENCES, VOICES, seed=0, endless=True)
    orders = []
    spoken = Counter()
    for _ in VOICES:
        utterances = list(islice(passes, len(SENTENCES)))
        orders.append([utterance.sentence.where for utterance in utterances])
        spoken.update(utterances)
    assert all(sorted(order) == sorted(orders[0]) for order in orders)
    assert len({tuple(order) for order in orders}) == len(VOICES)
    assert set(spoken.values()) == {1}, "no sentence has the same voice twice before it has had all"


def test_the_plan_depends_on_the_seed_alone() -> None:
    first, again, other = (list(plan(SENTENCES, VOICES, seed, endless=False)) for seed in (0, 0, 1))
    assert first == again != other
