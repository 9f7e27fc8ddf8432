"""Timestamps of a container and the samples that they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor


@dataclass(frozen=True)
class Timeline:
    """Relates timestamps to positions of samples, given a frame whose position is known.

    Attributes:
        pts: timestamp of the frame, in units of the container.
        position: its first sample, counted from the start of the audio.
        samples_per_unit: samples in a unit of the timestamps.
        frame_samples: length of every frame; 1 if they differ. A timestamp in milliseconds is not exact to a sample,
            but enough to tell which frame it is.
    """

    pts: int
    position: int
    samples_per_unit: Fraction
    frame_samples: int

    @property
    def is_exact(self) -> bool:
        """Whether the position of a frame can be told from its timestamp."""
        return self.frame_samples > 1 or self.counts_samples

    @property
    def counts_samples(self) -> bool:
        """Whether timestamps are exact to a sample."""
        return self.samples_per_unit <= 1

    def frame_at(self, pts: int) -> int:
        """Return the position of the frame with a timestamp."""
        frames = (pts - self.pts) * self.samples_per_unit / self.frame_samples
        return self.position + round(frames) * self.frame_samples

    def sample_at(self, pts: int) -> int:
        """Return the position of a timestamp."""
        return self.position + round((pts - self.pts) * self.samples_per_unit)

    def pts_before(self, position: int) -> int:
        """Return the timestamp of a sample, rounded down."""
        return self.pts + floor((position - self.position) / self.samples_per_unit)
