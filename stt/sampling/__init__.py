"""What is trained on next: numpy only, no torch and no Lightning.

A `Sampler` decides which utterances a window takes, `BatchStream` makes one endless stream of batches of the windows.
"""

from stt.sampling.base import Sampler, Utterances
from stt.sampling.curriculum.sampler import CurriculumSampler
from stt.sampling.stream import BatchStream
from stt.sampling.uniform import UniformSampler

__all__ = ["BatchStream", "CurriculumSampler", "Sampler", "UniformSampler", "Utterances"]
