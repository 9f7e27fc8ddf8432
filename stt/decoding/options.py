"""Decoding options: the section `decoder` of a configuration, for train.py and stt transcribe."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from stt.decoding.decoder import Decoder
from stt.errors import InputError, reason
from stt.text.tokenizer import Tokenizer

MAX_SCORE = 1e9  # sums of larger scores would lose those of the network


@dataclass(frozen=True)
class BeamOptions:
    """Beam search options; `stt lm tune` finds alpha, beta and beam_width for a language model."""

    lm: str | None = None  # binary of `stt lm train`; None: no language model
    alpha: float = 0.5  # weight of the language model score (natural log)
    beta: float = 1.0  # reward per word, against the bias of language models towards few words
    beam_width: int = 50
    token_min_logp: float = -8.0  # less likely tokens are pruned, except the best of each frame
    beam_prune_logp: float = -8.0  # beams that score this much worse than the best are pruned
    unknown_score: float = -10.0  # score of an unknown word or the prefix of one
    hot_words: tuple[str, ...] = ()
    hot_weight: float = 10.0

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            InputError: a number is out of range, or a hot word is not a single word.
        """
        for name in ("alpha", "beta", "token_min_logp", "beam_prune_logp", "unknown_score", "hot_weight"):
            value = getattr(self, name)
            if not _is_number(value) or not abs(value) <= MAX_SCORE:
                raise InputError(f"{name} of the beam search must be a finite number, not {value!r}")
        if not isinstance(self.beam_width, int) or self.beam_width < 1:
            raise InputError(f"beam_width must be at least 1, and an integer, not {self.beam_width!r}")
        if self.lm is not None and not isinstance(self.lm, str):
            raise InputError(f"lm must be the path of a language model, not {self.lm!r}")
        if not isinstance(self.hot_words, tuple | list):
            raise InputError(f"hot_words must be a list of words, not {self.hot_words!r}")
        for word in self.hot_words:
            if not isinstance(word, str) or len(word.split()) != 1 or word != word.strip():
                raise InputError(f"a hot word must be a single word without spaces, not {word!r}")


class CustomDecoder(ABC):
    """Options of a custom decoder: subclass it with plain arguments and name the subclass in a configuration.

    The options are sent to worker processes, which build the decoder, so the decoder need not be picklable.
    """

    @abstractmethod
    def build(self, tokenizer: Tokenizer, normalizer: str) -> Decoder:
        """Build the decoder for a recognizer's tokenizer and the name of its normalizer.

        Raises:
            InputError: the decoder does not fit them.
        """


class Rewriter(Protocol):
    """A function that maps recognized texts to rewritten ones, one for one."""

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """Rewrite texts."""
        ...


class PostProcessor(ABC):
    """Options of a text post-processor, which rewrites the output of any decoder; used like `CustomDecoder`."""

    @abstractmethod
    def build(self, tokenizer: Tokenizer, normalizer: str) -> Rewriter:
        """Build the function that rewrites texts.

        Raises:
            InputError: the post-processor does not fit a recognizer with this tokenizer and normalizer.
        """


@dataclass(frozen=True)
class DecoderOptions:
    """Decoder selection: greedy by default, or beam search, or custom; a post-processor may follow any of them."""

    beam: BeamOptions | None = None
    custom: CustomDecoder | None = None
    postprocessor: PostProcessor | None = None


def read_options(path: Path | None = None, postprocessor: PostProcessor | None = None, **beam: Any) -> DecoderOptions:
    """Read the section `decoder` of a configuration.

    Args:
        path: configuration file, such as `stt lm tune` writes; None: defaults.
        postprocessor: overrides that of the file; None keeps it.
        **beam: fields of `BeamOptions` that override those of the file.

    Raises:
        InputError: the file is missing or not a decoder configuration.
    """
    given: dict[str, Any] = {}
    if path is not None:
        if not path.is_file():
            raise InputError(f"{path}: no such configuration file; stt lm tune writes one")
        import yaml  # an optional dependency that greedy decoding does not need

        try:
            given = dict(yaml.safe_load(path.read_text(encoding="utf-8"))["decoder"])
            beam = {**(given.get("beam") or {}), **beam}
            BeamOptions(**beam)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        except Exception as error:  # a corrupt file can raise anything
            raise InputError(f"{path}: not a decoder configuration (decoder.beam): {reason(error)}") from error
    custom = _instantiate(given.get("custom"), f"{path}: decoder.custom", CustomDecoder)
    postprocessor = postprocessor or _instantiate(
        given.get("postprocessor"), f"{path}: decoder.postprocessor", PostProcessor
    )
    return DecoderOptions(BeamOptions(**beam) if beam else None, custom, postprocessor)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _instantiate(given: Any, where: str, base: type[Any]) -> Any:
    """Instantiate a class path with arguments, as `train.py` does; configurations are trusted code."""
    if given is None:
        return None
    if isinstance(given, str):
        given = {"class_path": given}
    if not isinstance(given, Mapping) or not isinstance(given.get("class_path"), str):
        raise InputError(f"{where}: class_path and init_args are required")
    module, _, name = given["class_path"].rpartition(".")
    try:
        instance = getattr(importlib.import_module(module), name)(**(given.get("init_args") or {}))
    except Exception as error:  # the user's own code
        raise InputError(f"{where}: {given['class_path']} cannot be instantiated ({reason(error)})") from error
    if not isinstance(instance, base):
        raise InputError(f"{where}: {given['class_path']} is not a subclass of {base.__module__}.{base.__qualname__}")
    return instance
