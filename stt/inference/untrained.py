"""A recognizer with newly initialized weights from a model configuration, to measure sizes that nobody has trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stt.errors import InputError, reason
from stt.recognition.description import VERSION
from stt.recognition.recognizer import Recognizer
from stt.text.tokenizer import Tokenizer

DEFAULTS = {"features": "LogMel", "encoder": "ConvTransformer"}


def build_untrained(config: Path, tokenizer: Tokenizer) -> Recognizer:
    """Build the network of a configuration's section `model`, like those in configs/model/.

    Raises:
        InputError: the file is not such a configuration, or names a class that is not registered.
    """
    import yaml  # an optional dependency that loading a checkpoint does not need

    if not config.is_file():
        raise InputError(f"{config}: no such configuration file")
    try:
        model = yaml.safe_load(config.read_text(encoding="utf-8"))["model"] or {}
        parts = {name: _part(model.get(name), default) for name, default in DEFAULTS.items()}
    except Exception as error:  # a corrupt file can raise anything
        raise InputError(f"{config}: not a model configuration ({reason(error)})") from error
    front_end = parts["features"]["arguments"]
    if "n_mels" in front_end:  # training links them
        parts["encoder"]["arguments"].setdefault("n_mels", front_end["n_mels"])
    try:
        return Recognizer.from_description(
            {
                "version": VERSION,
                "tokenizer": tokenizer.to_string(),
                "normalizer": model.get("normalizer") or "plain-1",
                "train_domains": [],
                **parts,
            }
        ).eval()
    except InputError as error:
        raise InputError(f"{config}: {error}") from error


def _part(given: Any, default: str) -> dict[str, Any]:
    """Turn a class path with arguments into what the registry describes; a class is looked up by its last name."""
    given = {"class_path": given} if isinstance(given, str) else given or {}
    name = str(given.get("class_path", default)).rpartition(".")[2]
    return {"class": name, "arguments": dict(given.get("init_args") or {})}
