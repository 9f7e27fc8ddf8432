"""How to decode: what the section `decoder` of a configuration says, for train.py and for transcribe."""

from __future__ import annotations

import importlib
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

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


class CustomDecoder(ABC):
    """Options of a decoder of your own: subclass it, with plain arguments, and name it in a configuration.

    They are sent to worker processes that build the decoder there, so a decoder need not be picklable.
    """

    @abstractmethod
    def build(self, tokenizer: Tokenizer, normalizer: str) -> Decoder:
        """Build the decoder for a recognizer's tokenizer and the name of its normalizer.

        Raises:
            InputError: it does not fit them.
        """


class Rewriter(Protocol):
    """A function from recognized texts to rewritten ones, as many and in the same order."""

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """Rewrite."""
        ...


class PostProcessor(ABC):
    """Options of a text post-processor, which rewrites the text of any decoder; used like `CustomDecoder`."""

    @abstractmethod
    def build(self, tokenizer: Tokenizer, normalizer: str) -> Rewriter:
        """Build the function that rewrites texts.

        Raises:
            InputError: it does not fit a recognizer with this tokenizer and normalizer.
        """


@dataclass(frozen=True)
class DecoderOptions:
    """Which decoder: greedy unless there is a beam search or a custom one; a post-processor may follow any of them."""

    beam: BeamOptions | None = None
    custom: CustomDecoder | None = None
    postprocessor: PostProcessor | None = None


def read_options(path: Path | None = None, postprocessor: PostProcessor | None = None, **beam: Any) -> DecoderOptions:
    """Read the section `decoder` of a configuration.

    Args:
        path: configuration, such as `lm tune` writes; None: there is none.
        postprocessor: replaces that of the file; None keeps it.
        **beam: fields of `BeamOptions` that replace those of the file.

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
    custom = _made(given.get("custom"), f"{path}: decoder.custom", CustomDecoder)
    postprocessor = postprocessor or _made(given.get("postprocessor"), f"{path}: decoder.postprocessor", PostProcessor)
    return DecoderOptions(BeamOptions(**beam) if beam else None, custom, postprocessor)


def _made(given: Any, where: str, base: type[Any]) -> Any:
    """Make what a class path and arguments name, as `train.py` does; configurations are code, and trusted."""
    if given is None:
        return None
    if isinstance(given, str):
        given = {"class_path": given}
    if not isinstance(given, Mapping) or not isinstance(given.get("class_path"), str):
        raise InputError(f"{where}: give class_path and init_args")
    module, _, name = given["class_path"].rpartition(".")
    try:
        made = getattr(importlib.import_module(module), name)(**(given.get("init_args") or {}))
    except Exception as error:  # the user's own code
        raise InputError(f"{where}: {given['class_path']} cannot be made ({reason(error)})") from error
    if not isinstance(made, base):
        raise InputError(f"{where}: {given['class_path']} is not a subclass of {base.__module__}.{base.__qualname__}")
    return made
