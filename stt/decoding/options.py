"""How to decode: what the section `decoder` of a configuration says, for train.py and for transcribe."""

from __future__ import annotations

import importlib
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stt.decoding.decoder import Decoder
from stt.errors import InputError, reason
from stt.text.tokenizer import Tokenizer


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

    def __post_init__(self) -> None:
        """Check what the search could only answer with nonsense.

        Raises:
            InputError: a number is out of its range, or a hot word is not one word.
        """
        for name in ("alpha", "beta", "token_min_logp", "beam_prune_logp", "unknown_score", "hot_weight"):
            value = getattr(self, name)
            if not math.isfinite(value):
                raise InputError(f"the {name} of a beam search must be a finite number, not {value}")
        if self.beam_width < 1:
            raise InputError(f"the beam_width must be 1 or more, not {self.beam_width}")
        for word in self.hot_words:
            if len(word.split()) != 1 or word != word.strip():
                raise InputError(f"a hot word is one word without spaces, not {word!r}")


class OwnDecoder(ABC):
    """Options of a decoder of your own: subclass it, with plain arguments, and name it in a configuration.

    They go to processes that make the decoder there, so a decoder need not be one that can be copied.
    """

    @abstractmethod
    def build(self, tokenizer: Tokenizer, normalizer: str) -> Decoder:
        """Make the decoder for a recognizer's tokenizer and the name of its normalizer.

        Raises:
            InputError: it does not fit them.
        """


@dataclass(frozen=True)
class DecoderOptions:
    """Which decoder: greedy unless there is a beam or one of the user's own, and a corrector behind any of them."""

    beam: BeamOptions | None = None
    own: OwnDecoder | None = None
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
    return DecoderOptions(
        beam=BeamOptions(**beam) if beam else None,
        own=_own(given["own"], f"{path}: decoder.own") if given.get("own") else None,
        corrector=str(corrector) if corrector else None,
    )


def _own(given: Any, where: str) -> OwnDecoder:
    """Make what a class path and arguments name, as `train.py` does; configurations are code, and trusted."""
    if isinstance(given, str):
        given = {"class_path": given}
    if not isinstance(given, Mapping) or not isinstance(given.get("class_path"), str):
        raise InputError(f"{where}: give class_path and init_args")
    module, _, name = given["class_path"].rpartition(".")
    try:
        made = getattr(importlib.import_module(module), name)(**(given.get("init_args") or {}))
    except Exception as error:  # the user's own code
        raise InputError(f"{where}: {given['class_path']} cannot be made ({reason(error)})") from error
    if not isinstance(made, OwnDecoder):
        raise InputError(f"{where}: {given['class_path']} is not a subclass of stt.decoding.options.OwnDecoder")
    return made
