"""Sampling of training utterances: numpy only, no torch and no Lightning.

A `Sampler` selects the utterances of each window; `BatchStream` turns the windows into one endless stream of batches.
"""

from stt.sampling.base import Sampler, Utterances
from stt.sampling.curriculum.sampler import CurriculumSampler
from stt.sampling.stream import BatchStream
from stt.sampling.uniform import UniformSampler

__all__ = ["BatchStream", "CurriculumSampler", "Sampler", "UniformSampler", "Utterances"]
