"""How to decode: what the section `decoder` of a configuration says, for train.py and for transcribe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stt.errors import InputError


@dataclass(frozen=True)
class BeamOptions:
    """How to search; `lm tune` finds alpha, beta and the width for a language model."""

    lm: str | None = None  # binary of `lm train`; None: by the acoustics alone
    alpha: float = 0.5  # weight of the language model's natural logarithms
    beta: float = 1.0  # reward of each word, against a language model's liking for few
    beam_width: int = 50
    token_min_logp: float = -8.0  # tokens less likely than this are not followed, the best of a frame excepted
    beam_prune_logp: float = -8.0  # nor are beams so much worse than the best
    unknown_score: float = -10.0  # of a word that the language model does not know, or its beginning
    hot_words: tuple[str, ...] = ()
    hot_weight: float = 10.0


@dataclass(frozen=True)
class DecoderOptions:
    """Which decoder: greedy unless there is a beam, and a corrector behind either."""

    beam: BeamOptions | None = None
    corrector: str | None = None  # of `corrector train`


def read_options(path: Path | None = None, corrector: Path | str | None = None, **beam: Any) -> DecoderOptions:
    """Read the section `decoder` of a configuration, some of it replaced.

    Args:
        path: configuration, such as `lm tune` writes; None: there is none.
        corrector: takes the place of that of the file; None leaves it.
        **beam: fields of `BeamOptions` that take the place of those of the file.

    Raises:
        InputError: the file is missing, or is not such a configuration.
    """
    given: dict[str, Any] = {}
    if path is not None:
        if not path.is_file():
            raise InputError(f"{path}: there is no such configuration; `lm tune` writes one")
        import yaml  # an extra: the options of a greedy decoder are in no file

        try:
            given = dict(yaml.safe_load(path.read_text(encoding="utf-8"))["decoder"])
            beam = {**(given.get("beam") or {}), **beam}
            BeamOptions(**beam)
        except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: not a configuration of a decoder (decoder.beam): {error}") from error
    corrector = corrector or given.get("corrector")
    return DecoderOptions(BeamOptions(**beam) if beam else None, str(corrector) if corrector else None)
