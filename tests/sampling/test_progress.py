"""What a sampler is told of how much of the training is over."""

import pytest

from stt.sampling import UniformSampler
from stt.sampling.base import Sample
from tests.sampling.test_stream import Training, saved, stream_over


class Noting(UniformSampler):
    def __init__(self) -> None:
        super().__init__()
        self.noted: list[float] = []

    def plan(self, counts: list[int], window: int, progress: float = 0.0) -> Sample:
        self.noted.append(progress)
        return super().plan(counts, window, progress)


def test_a_training_of_unknown_length_does_not_progress() -> None:
    sampler = Noting()
    Training(stream_over(sampler)).train(200)
    assert set(sampler.noted) == {0}


def test_a_second_training_progresses_from_its_own_beginning_also_when_it_is_resumed() -> None:
    sampler, resumed = Noting(), Noting()
    stream = stream_over(sampler)
    training = Training(stream)
    training.train(100)
    stream.begin(400)
    training.train(60)
    state, planned = saved(stream), len(sampler.noted)
    training.train(340)
    noted = sampler.noted[planned:]
    assert 0 < noted[0] < 0.3
    assert noted == sorted(noted)
    assert noted[-1] == pytest.approx(1, abs=0.1)

    other = stream_over(resumed)
    other.begin(400)
    other.load_state_dict(state)
    Training(other).train(340)
    assert resumed.noted == noted
