"""What one strength from 0 to 1 means to each member of the augmentation: how often it comes, and how harsh it is.

Source: the article asks for one knob (tried there at 0.2, 0.5 and 0.9).
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
    """A kind of augmentation; ends of its range and its chance go in a line from strength 0 to strength 1."""

    what: str
    unit: str
    mild: Range  # as the strength goes to 0
    harsh: Range  # at strength 1
    chance: Range = (1.0, 1.0)  # share of the utterances that it comes to, likewise

    def probability(self, strength: float) -> float:
        """Share of the utterances that it comes to; none at strength 0."""
        return self.chance[0] + (self.chance[1] - self.chance[0]) * strength if strength > 0 else 0.0

    def range(self, strength: Strength) -> tuple[Strength, Strength]:
        """Ends of the range that its value is drawn from, for a strength or for several (batch,)."""
        low, high = (mild + (harsh - mild) * strength for mild, harsh in zip(self.mild, self.harsh, strict=True))
        return low, high

    def chosen(self, strengths: Tensor) -> Tensor:
        """Draw which utterances (batch,) of these strengths it comes to."""
        probabilities = self.chance[0] + (self.chance[1] - self.chance[0]) * strengths
        return (torch.rand(len(strengths)) < probabilities) & (strengths > 0)

    def drawn(self, strengths: Tensor) -> Tensor:
        """Draw a value (batch,) for each of these strengths."""
        low, high = self.range(strengths)
        return low + (high - low) * torch.rand(len(strengths))


SOMETIMES = (0.0, 1.0)
SELDOM = (0.0, 0.5)

# On the host, where files are read: they change lengths, or need a codec.
SPEED = Transform("speed (tempo and pitch)", "times", (1.0, 1.0), (0.8, 1.25), SOMETIMES)
PITCH = Transform("pitch alone", "semitones", (0.0, 0.0), (-5.0, 5.0), SELDOM)
CODEC = Transform("lossy codec", "compression, 0..1", (0.0, 0.3), (0.5, 1.0), SELDOM)
# On the device, in this order.
DECAY = Transform("room: time to fall by 60 dB", "s", (0.05, 0.1), (0.2, 1.0), SELDOM)
DIRECT = Transform("room: direct over reflected sound", "dB", (20.0, 30.0), (0.0, 10.0), SELDOM)
LOW_CUT = Transform("band: lower end", "Hz", (0.0, 0.0), (0.0, 500.0), SELDOM)
HIGH_CUT = Transform("band: upper end", "share of the highest", (1.0, 1.0), (0.3, 1.0), SELDOM)
NOISE = Transform("noise: signal over noise", "dB", (60.0, 80.0), (0.0, 20.0))
GAIN = Transform("gain (clips above full scale)", "dB", (0.0, 0.0), (-20.0, 20.0))
BANDS = Transform("hidden mels: 2 bands, each", "share of the mels", (0.0, 0.0), (0.0, 0.4))
STRETCHES = Transform("hidden time: 10 stretches, each", "share of the frames", (0.0, 0.0), (0.0, 0.05))
PATCHES = Transform("cut-outs: 5 patches, each side", "share of mels, frames", (0.0, 0.0), (0.0, 0.2))

TRANSFORMS = (
    *(SPEED, PITCH, CODEC, DECAY, DIRECT, LOW_CUT, HIGH_CUT),
    *(NOISE, GAIN, BANDS, STRETCHES, PATCHES),
)
