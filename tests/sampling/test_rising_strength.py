import numpy as np
import pytest

from stt.sampling import CurriculumSampler, Sampler, UniformSampler
from tests.sampling.corpora import corpus, make_observations

SAMPLERS = [UniformSampler, CurriculumSampler]


def started(kind: type[Sampler], sizes: dict[str, int] | None = None) -> Sampler:
    sampler = kind()
    sampler.start(corpus(sizes or {"a": 40, "b": 40}), 0)
    return sampler


def observe(sampler: Sampler, cers: dict[str, float]) -> dict[str, float]:
    rows = [np.flatnonzero(sampler.utterances.domain == sampler.utterances.domains.index(name)) for name in cers]
    values = np.repeat(list(cers.values()), [len(part) for part in rows])
    return sampler.update(make_observations(np.concatenate(rows), values))


@pytest.mark.parametrize("kind", SAMPLERS)
def test_strength_starts_at_nothing_and_rises_with_what_each_domain_has_learned(kind: type[Sampler]) -> None:
    sampler = started(kind)
    assert sampler.strengths(0.6).tolist() == [0, 0]
    metrics = observe(sampler, {"a": 1.0, "b": 0.55})
    assert sampler.strengths(0.6).tolist() == pytest.approx([0, 0.6 / 16])
    assert metrics["curriculum/strength_share/b"] == pytest.approx(1 / 16)
    observe(sampler, {"a": 0.1})
    assert sampler.strengths(0.6)[0] == pytest.approx(0.6)
    assert sampler.strengths(0.6)[1] == pytest.approx(0.6 / 16), "it was not observed"


def test_strength_never_exceeds_the_configured_one() -> None:
    sampler = started(UniformSampler)
    observe(sampler, {"a": 0.0, "b": 3.0})
    assert sampler.strengths(0.6).tolist() == pytest.approx([0.6, 0])


@pytest.mark.parametrize("kind", SAMPLERS)
def test_a_network_that_was_trained_before_starts_with_the_full_strength(kind: type[Sampler]) -> None:
    sampler = started(kind)
    sampler.inherit({})
    assert sampler.strengths(0.6).tolist() == pytest.approx([0.6, 0.6])


@pytest.mark.parametrize("kind", SAMPLERS)
def test_strengths_are_resumed_by_domain(kind: type[Sampler]) -> None:
    sampler = started(kind)
    observe(sampler, {"a": 1.0, "b": 0.55})
    same, other = started(kind), started(kind, {"b": 40, "c": 40})
    same.load_state_dict(sampler.state_dict())
    other.load_state_dict(sampler.state_dict())
    assert same.strengths(0.6).tolist() == sampler.strengths(0.6).tolist()
    assert other.strengths(0.6).tolist() == pytest.approx([0.6 / 16, 0])


def test_a_constant_strength_needs_no_feedback() -> None:
    sampler = UniformSampler(rising_strength=False)
    sampler.start(corpus({"a": 40}), 0)
    assert sampler.strengths(0.6).tolist() == pytest.approx([0.6])
    assert not sampler.uses_feedback
    assert UniformSampler().uses_feedback
