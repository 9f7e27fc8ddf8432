"""Warm start: initialize a model, possibly with a different tokenizer, from the weights of a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stt.checkpoint import read_checkpoint
from stt.errors import InputError
from stt.recognition.recognizer import Recognizer
from stt.training.state import to_arrays

HEAD = "head."


@dataclass(frozen=True)
class WarmStartReport:
    """What was loaded from the parent checkpoint."""

    message: str
    domains: list[str]  # training domains of the parent


def warm_start(child: Recognizer, path: Path | str) -> WarmStartReport:
    """Load the weights of a checkpoint into a recognizer, and nothing else.

    If both have the same tokenizer, by content and not just by size, the whole output layer is loaded;
    otherwise only the rows of the pieces that both have.

    Raises:
        InputError: the file is not a checkpoint of this project, or its front end or encoder is different.
    """
    parent = Recognizer.load(path)
    _check_network(child, parent, path)
    state = parent.state_dict()
    if parent.tokenizer.content_hash == child.tokenizer.content_hash:
        tokenizers = "the tokenizer is the same"
    else:
        head, shared = mapped_output_layer(child.state_dict(), state, child.tokenizer.pieces, parent.tokenizer.pieces)
        state |= head
        tokenizers = (
            f"the tokenizer is different: {shared} of its {child.tokenizer.vocab_size} pieces are in the checkpoint, "
            "the output rows of the others are re-initialized"
        )
    child.load_state_dict(state)
    return WarmStartReport(f"initialized with the weights of {path}; {tokenizers}", list(parent.train_domains))


def sampler_state_of(path: Path | str) -> dict[str, Any]:
    """Return the sampler's state in a checkpoint, or an empty dict."""
    state: Any = read_checkpoint(path)
    for name in ("SpeechDataModule", "stream", "sampler"):
        state = state.get(name) if isinstance(state, dict) else None
    return dict(to_arrays(state)) if isinstance(state, dict) else {}


def mapped_output_layer(
    child: dict[str, Tensor], parent: dict[str, Tensor], child_pieces: list[str], parent_pieces: list[str]
) -> tuple[dict[str, Tensor], int]:
    """Return the output layer for `child_pieces`, with the parent's rows for shared pieces, and their number.

    The blank is always shared.
    """
    index = {piece: i for i, piece in enumerate(parent_pieces)}
    shared = [(i, index[piece]) for i, piece in enumerate(child_pieces) if piece in index]
    child_rows, parent_rows = torch.tensor(shared).T
    head = {}
    for name, value in child.items():
        if name.startswith(HEAD):
            head[name] = value.clone()
            head[name][child_rows] = parent[name][parent_rows].to(value)
    return head, len(shared)


def _check_network(child: Recognizer, parent: Recognizer, path: Path | str) -> None:
    parent_features, child_features = (model.description()["features"] for model in (parent, child))

    def check(part: str, name: str, in_parent: object, in_child: object) -> None:
        if in_parent != in_child:
            raise InputError(
                f"{path}: the {part} is different: {name} is {in_parent} in the checkpoint, {in_child} in this model"
            )

    check("front end", "the class", parent_features["class"], child_features["class"])
    for name, value in child_features["arguments"].items():
        check("front end", name, parent_features["arguments"].get(name), value)
    parent_shapes, child_shapes = (
        {name: tuple(value.shape) for name, value in model.encoder.state_dict().items()} for model in (parent, child)
    )
    for name in dict.fromkeys([*child_shapes, *parent_shapes]):
        check("network", f"encoder.{name}", parent_shapes.get(name, "missing"), child_shapes.get(name, "missing"))
