"""The limits of the rules, which are the options of the command."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from stt.errors import InputError
from stt.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Limits:
    """What an utterance may be; see `stt.curation.steps.clean.run`, whose options these are."""

    min_seconds: float
    max_seconds: float
    min_chars_per_second: float
    max_chars_per_second: float
    max_silence: float
    min_level: float
    max_clipping: float
    min_snr: float
    max_same_audio: int
    max_same_text: int | None
    max_cer: float | None
    max_label_score: float

    def check(self) -> None:
        """Check the ranges of all limits.

        Raises:
            InputError: one is outside its range; the message names the option.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None:
                continue
            low, high = RANGES[field.name]
            if not (low <= value <= high and math.isfinite(value)):
                raise InputError(f"--{field.name.replace('_', '-')} must be in {low:g}..{high:g}, not {value:g}")
        for lowest, highest in (("min_seconds", "max_seconds"), ("min_chars_per_second", "max_chars_per_second")):
            if not getattr(self, lowest) < getattr(self, highest):
                raise InputError(f"--{highest.replace('_', '-')} must be more than --{lowest.replace('_', '-')}")


RANGES = {
    "min_seconds": (0, 1e6),
    "max_seconds": (0, 1e6),
    "min_chars_per_second": (0, 1e6),
    "max_chars_per_second": (0, 1e6),
    "max_silence": (0, 1),
    "min_level": (-200, 0),
    "max_clipping": (0, 1),
    "min_snr": (-200, 200),
    "max_same_audio": (1, 2**31),
    "max_same_text": (1, 2**31),
    "max_cer": (0, 1e6),
    "max_label_score": (0, 1.5),
}


def allowed_characters(alphabet: str, tokenizer: Tokenizer | None) -> frozenset[str] | None:
    """Return the characters that texts may have; None if any.

    Raises:
        InputError: both an alphabet and a tokenizer are given.
    """
    if alphabet and tokenizer:
        raise InputError("give either --alphabet or --tokenizer, not both: a tokenizer has an alphabet")
    return tokenizer.alphabet if tokenizer else frozenset(alphabet) | {" "} if alphabet else None
