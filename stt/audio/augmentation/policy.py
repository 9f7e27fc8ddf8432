"""How one strength from 0 to 1 sets the probability and the range of every transform of the augmentation.

Source: Veysov, 2020, "Towards an ImageNet Moment for Speech-to-Text", which uses one knob (at 0.2, 0.5 and 0.9).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

Range = tuple[float, float]
Strength = TypeVar("Strength", float, Tensor)


@dataclass(frozen=True)
class Transform:
    """One transform; its range and its probability are interpolated linearly between strength 0 and strength 1."""

    name: str
    unit: str
    mild: Range  # as the strength approaches 0
    harsh: Range  # at strength 1
    probabilities: Range = (1.0, 1.0)  # of being applied to an utterance: as the strength approaches 0, and at 1

    def probability(self, strength: float) -> float:
        """Return the probability of being applied to an utterance; 0 at strength 0."""
        return self._interpolated_probability(strength) if strength > 0 else 0.0

    def range(self, strength: Strength) -> tuple[Strength, Strength]:
        """Return the bounds that a value is drawn from, for one strength or several (batch,)."""
        low, high = (mild + (harsh - mild) * strength for mild, harsh in zip(self.mild, self.harsh, strict=True))
        return low, high

    def sample_rows(self, strengths: Tensor) -> Tensor:
        """Draw a mask (batch,) of the utterances that it is applied to, given their strengths."""
        probabilities = self._interpolated_probability(strengths)
        return (torch.rand(len(strengths)) < probabilities) & (strengths > 0)

    def sample_values(self, strengths: Tensor) -> Tensor:
        """Draw a value (batch,) for each strength."""
        low, high = self.range(strengths)
        return low + (high - low) * torch.rand(len(strengths))

    def _interpolated_probability(self, strength: Strength) -> Strength:
        return self.probabilities[0] + (self.probabilities[1] - self.probabilities[0]) * strength


UP_TO_ALL = (0.0, 1.0)
UP_TO_HALF = (0.0, 0.5)
UP_TO_A_QUARTER = (0.0, 0.25)

# On the host, where files are read: they change lengths, or need a codec.
SPEED = Transform("speed (tempo and pitch)", "factor", (1.0, 1.0), (0.8, 1.25), UP_TO_ALL)
PITCH = Transform("pitch only", "semitones", (0.0, 0.0), (-5.0, 5.0), UP_TO_A_QUARTER)
PAUSE = Transform("pause around the speech", "share of its length", (0.0, 0.0), (0.0, 1.0), UP_TO_ALL)
CODEC = Transform("lossy codec", "compression, 0..1", (0.0, 0.3), (0.5, 1.0), UP_TO_HALF)
# On the device, in this order.
DECAY = Transform("RIR: RT60", "s", (0.05, 0.1), (0.2, 1.0), UP_TO_HALF)
DIRECT = Transform("RIR: direct-to-reverberant ratio", "dB", (20.0, 30.0), (0.0, 10.0), UP_TO_HALF)
LOW_CUT = Transform("band: lower cutoff", "Hz", (0.0, 0.0), (0.0, 500.0), UP_TO_HALF)
HIGH_CUT = Transform("band: upper cutoff", "share of Nyquist", (1.0, 1.0), (0.3, 1.0), UP_TO_HALF)
NOISE = Transform("noise: SNR", "dB", (60.0, 80.0), (0.0, 20.0))
GAIN = Transform("gain (clips above full scale)", "dB", (0.0, 0.0), (-20.0, 20.0))
FREQUENCY_MASKS = Transform("2 frequency masks, each", "share of the mels", (0.0, 0.0), (0.0, 0.4))
TIME_MASKS = Transform("10 time masks, each", "share of the frames", (0.0, 0.0), (0.0, 0.05))
CUTOUTS = Transform("5 cutouts, each side", "share of mels, frames", (0.0, 0.0), (0.0, 0.2))

TRANSFORMS = (
    *(SPEED, PITCH, PAUSE, CODEC, DECAY, DIRECT, LOW_CUT, HIGH_CUT),
    *(NOISE, GAIN, FREQUENCY_MASKS, TIME_MASKS, CUTOUTS),
)
