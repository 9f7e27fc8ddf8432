"""Warm start: weights of a checkpoint in a new model, whose tokenizer may be another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stt.checkpoint import load_recognizer
from stt.data.datamodule import to_arrays
from stt.errors import InputError
from stt.task import SpeechRecognizer

HEAD = "head."


def warm_start(model: SpeechRecognizer, path: Path | str) -> str:
    """Give a model the weights of a checkpoint; nothing else of it is taken over.

    The output layer is taken as a whole where both have the same tokenizer, which its content decides, not
    its size; of another tokenizer, the pieces that both have. Gives what was done, in a sentence.

    Raises:
        InputError: the file is not a checkpoint of this project, or its front end or encoder is another one.
    """
    parent = load_recognizer(path)
    _check_network(model, parent, path)
    theirs, ours = parent.state_dict(), model.state_dict()
    if parent.tokenizer.content_hash == model.tokenizer.content_hash:
        said = "the tokenizer is the same"
        head = theirs
    else:
        head, known = mapped_head(ours, theirs, model.tokenizer.pieces, parent.tokenizer.pieces)
        said = (
            f"another tokenizer: {known} of its {model.tokenizer.vocab_size} pieces are known there, "
            "the others begin anew"
        )
    model.load_state_dict({**theirs, **{name: value for name, value in head.items() if name.startswith(HEAD)}})
    model.parent_domains = list(parent.train_domains)
    return f"weights of {path}; {said}"


def sampling_of(path: Path | str) -> dict[str, Any]:
    """State of the sampler in a checkpoint; empty where there is none."""
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    return dict(to_arrays(checkpoint.get("SpeechDataModule", {}).get("stream", {}).get("sampler", {})))


def mapped_head(
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


def _check_network(model: SpeechRecognizer, parent: SpeechRecognizer, path: Path | str) -> None:
    for name in ("sample_rate", "hop_length", "n_fft", "n_mels"):
        here, there = getattr(model.features, name), getattr(parent.features, name)
        if here != there:
            raise InputError(f"{path}: another front end: {name} is {there} there and {here} here")
    theirs, ours = parent.encoder.state_dict(), model.encoder.state_dict()
    for name in dict.fromkeys([*ours, *theirs]):
        here, there = (tuple(state[name].shape) if name in state else "missing" for state in (ours, theirs))
        if here != there:
            raise InputError(f"{path}: another network: encoder.{name} is {there} there and {here} here")
