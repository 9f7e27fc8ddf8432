"""Text normalizers, applied to transcripts before they are counted, learned or compared.

A normalizer has a name with a version (`russian-1`). The name is stored in manifests,
checkpoints and results, because error rates of differently normalized texts are not comparable.
Changes are counted by kind in `Normalized.changed`; whatever cannot be turned into spoken
words is counted in `Normalized.rejected`, and such texts must not be used for training.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from stt.errors import InputError
from stt.text.normalized import Normalized, split_words
from stt.text.russian import russian
from stt.text.spoken_russian import spoken_russian

# Format characters and variation selectors: soft hyphens, byte order marks, marks of direction ... Joiners (U+200C,
# U+200D) are not among them, because they are spelling in Persian and Indic scripts; nor is the zero width space
# after letters of Thai, Lao, Burmese and Khmer, which use it between words.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb]"
    "|(?<![\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff])\u200b"
)


@dataclass(frozen=True)
class Normalizer:
    """A named, versioned, idempotent function from raw text to `Normalized`."""

    name: str
    function: Callable[[str], Normalized]

    def __call__(self, text: str) -> Normalized:
        """Normalize one text.

        Invisible characters are removed here, before the function of any name, which would split words at them. No
        name means another function for it: what is written in visible characters stays as it was, and so does every
        text that is normalized already, as none of them is left in it.
        """
        visible, count = _INVISIBLE.subn("", text)
        result = self.function(visible)
        if count:
            result.changed["invisible character removed"] += count
        return result


def get_normalizer(name: str) -> Normalizer:
    """Look up a normalizer by its versioned name.

    Raises:
        InputError: there is no normalizer of that name.
    """
    if name not in NORMALIZERS:
        raise InputError(f"unknown normalizer {name!r}; available: {', '.join(NORMALIZERS)}")
    return NORMALIZERS[name]


def plain(text: str) -> Normalized:
    """Normalize any language: Unicode NFC, lower case; keep letters, marks and digits of every script.

    Digits are kept and counted: a model can only learn them if they are always spoken
    the same way.
    """
    result = Normalized("")
    words = split_words(unicodedata.normalize("NFC", text).lower(), result)
    digits = sum(character.isnumeric() for word in words for character in word)
    if digits:
        result.changed["digit kept"] += digits
    result.text = unicodedata.normalize("NFC", " ".join(words))
    return result


NORMALIZERS = {
    normalizer.name: normalizer
    for normalizer in (
        Normalizer("russian-1", russian),
        Normalizer("russian-2", spoken_russian),
        Normalizer("plain-1", plain),
    )
}
