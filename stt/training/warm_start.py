"""Warm start: weights of a checkpoint in a new model, whose tokenizer may be another one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stt.errors import InputError
from stt.recognition.recognizer import Recognizer
from stt.registry import read_checkpoint
from stt.training.datamodule import to_arrays

HEAD = "head."


@dataclass(frozen=True)
class Parent:
    """The checkpoint that weights were taken from."""

    said: str  # what was taken, in a sentence
    domains: list[str]  # that it was trained on


def warm_start(child: Recognizer, path: Path | str) -> Parent:
    """Give a recognizer the weights of a checkpoint; nothing else of it is taken over.

    The output layer is taken as a whole where both have the same tokenizer, which its content decides, not
    its size; of another tokenizer, the pieces that both have.

    Raises:
        InputError: the file is not a checkpoint of this project, or its front end or encoder is another one.
    """
    parent = Recognizer.load(path)
    _check_network(child, parent, path)
    theirs, ours = parent.state_dict(), child.state_dict()
    if parent.tokenizer.content_hash == child.tokenizer.content_hash:
        said = "the tokenizer is the same"
        head = theirs
    else:
        head, known = mapped_output_layer(ours, theirs, child.tokenizer.pieces, parent.tokenizer.pieces)
        said = (
            f"another tokenizer: {known} of its {child.tokenizer.vocab_size} pieces are known there, "
            "the others begin anew"
        )
    child.load_state_dict({**theirs, **{name: value for name, value in head.items() if name.startswith(HEAD)}})
    return Parent(f"weights of {path}; {said}", list(parent.train_domains))


def sampler_state_of(path: Path | str) -> dict[str, Any]:
    """State of the sampler in a checkpoint; empty where there is none."""
    state: Any = read_checkpoint(path)
    for name in ("SpeechDataModule", "stream", "sampler"):
        state = state.get(name) if isinstance(state, dict) else None
    return dict(to_arrays(state)) if isinstance(state, dict) else {}


def mapped_output_layer(
    ours: dict[str, Tensor], theirs: dict[str, Tensor], pieces: list[str], their_pieces: list[str]
) -> tuple[dict[str, Tensor], int]:
    """Rows of the output layer for `pieces`: theirs where they have the piece, else ours; and how many they have.

    The blank is a piece that both have.
    """
    place = {piece: i for i, piece in enumerate(their_pieces)}
    known = [(i, place[piece]) for i, piece in enumerate(pieces) if piece in place]
    here, there = torch.tensor(known).T
    head = {}
    for name, value in ours.items():
        if name.startswith(HEAD):
            head[name] = value.clone()
            head[name][here] = theirs[name][there].to(value)
    return head, len(known)


def _check_network(child: Recognizer, parent: Recognizer, path: Path | str) -> None:
    theirs, ours = (one.description()["features"] for one in (parent, child))
    if theirs["class"] != ours["class"]:
        raise InputError(f"{path}: another front end: {theirs['class']} there and {ours['class']} here")
    for name, here in ours["arguments"].items():
        there = theirs["arguments"].get(name)
        if here != there:
            raise InputError(f"{path}: another front end: {name} is {there} there and {here} here")
    shapes = [{name: tuple(value.shape) for name, value in one.encoder.state_dict().items()} for one in (parent, child)]
    for name in dict.fromkeys([*shapes[1], *shapes[0]]):
        there, here = (one.get(name, "missing") for one in shapes)
        if here != there:
            raise InputError(f"{path}: another network: encoder.{name} is {there} there and {here} here")
