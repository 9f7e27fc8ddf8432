"""Feedback that settles what is observed at the target, and a second lever for when sampling has done all it can."""

from __future__ import annotations

import math
from dataclasses import dataclass

GAIN = 0.5  # exponent of the miss of an update
STRENGTH_GAIN = 0.3  # change of the augmentation strength in an update, for a miss by a factor of e
NEAR = 0.15  # relative miss that counts as none


@dataclass
class Controller:
    """The control of one domain.

    Attributes:
        target: CER that is wanted of what is trained on, in 0..1 (both excluded).
        set_point: mean CER that the tilt is asked for; it differs from the target by what the estimates get wrong.
        strength: augmentation strength, 0..1.
        strongest: bound of the strength; 0 where the domain has no second lever.
    """

    target: float
    set_point: float
    strength: float = 0.0
    strongest: float = 1.0

    @classmethod
    def new(cls, target: float, strength: float = 0.0, strongest: float = 1.0) -> Controller:
        """Start with the target as the set-point.

        Raises:
            ValueError: the target is not between 0 and 1.
        """
        if not 0 < target < 1:
            raise ValueError(f"a target CER must lie between 0 and 1, not {target:g}")
        return cls(target, target, strength, strongest)

    def update(self, observed: float, easiest: bool, hardest: bool) -> None:
        """Learn from what was observed since the last update.

        Args:
            observed: mean CER of what was trained on.
            easiest: sampling was at its easiest bound.
            hardest: sampling was at its hardest bound.
        """
        miss = self.target / max(observed, 1e-3)
        # At a bound a further set-point would change nothing now and would have to be unwound later.
        if not (easiest and miss < 1) and not (hardest and miss > 1):
            self.set_point = min(max(self.set_point * miss**GAIN, self.target / 5), 5 * self.target, 0.95)
        if (hardest and miss > 1 + NEAR) or miss < 1 - NEAR:
            self.strength = min(max(self.strength + STRENGTH_GAIN * math.log(miss), 0.0), self.strongest)

    def carry_over(self, old: Controller) -> None:
        """Go on where another one was; its set-point is scaled to this one's target."""
        self.set_point = old.set_point * (self.target / old.target)
        self.strength = min(old.strength, self.strongest)
