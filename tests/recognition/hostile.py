"""Files that a stranger may send: damaged, foreign, or made to run code where they are loaded."""

from __future__ import annotations

import copy
import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

Content = dict[str, Any]


class Call:
    """Runs a command where it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self.command,)


def as_version_0_1(content: Content, encoder: str = "stt.models.ConvTransformer", **more: Any) -> Content:
    """What the command line of version 0.1 wrote."""
    described = content["recognizer"]
    hyper_parameters = {
        "tokenizer": described["tokenizer"],
        "normalizer": described["normalizer"],
        "features": {"class_path": "stt.audio.features.LogMel", "init_args": described["features"]["arguments"]},
        "encoder": {"class_path": encoder, "init_args": described["encoder"]["arguments"]},
        "_instantiator": "lightning.pytorch.cli.instantiate_module",
        **more,
    }
    rest = {name: value for name, value in content.items() if name != "recognizer"}
    return {**rest, "train_domains": described["train_domains"], "hyper_parameters": hyper_parameters}


def _changed(content: Content, *path: str, value: Any) -> Content:
    content = copy.deepcopy(content)
    inner = content
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return content


def _with_encoder(content: Content, name: str) -> Content:
    return _changed(content, "recognizer", "encoder", value={"class": name, "arguments": {}})


def _saved(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def _zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"nonsense")
    return buffer.getvalue()


def _scripted() -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), buffer)
    return buffer.getvalue()


def hostile_files(folder: Path, good: Path, command: str) -> dict[str, Path]:
    """Write them; the command is what those that run code would run.

    Args:
        folder: to write into.
        good: a checkpoint of a training, of which some are made.
        command: for a shell.
    """
    content = torch.load(good, weights_only=True)
    system = {"class_path": "os.system", "init_args": {"command": command}}
    files = {
        "empty": b"",
        "noise": bytes(range(256)) * 16,
        "truncated": good.read_bytes()[: good.stat().st_size // 2],
        "pickled_command": pickle.dumps(Call(command)),
        "saved_command": _saved({**content, "state_dict": Call(command)}),
        "whole_module": _saved(torch.nn.Linear(2, 2)),
        "zip": _zipped(),
        "script": _scripted(),
        "list": _saved([1, 2, 3]),
        "weights_alone": _saved(content["state_dict"]),
        "other_project": _saved({"state_dict": {}, "epoch": 1, "hyper_parameters": {"lr": 0.1}}),
        "function_as_encoder": _saved(_with_encoder(content, "os.system")),
        "module_as_encoder": _saved(_with_encoder(content, "innocent.Encoder")),
        "older": _saved(as_version_0_1(content)),
        "older_function": _saved(as_version_0_1(content, "os.system")),
        "class_as_model": _saved(_changed(content, "recognizer", "features", value={"class": "os", "arguments": {}})),
        "instantiator": _saved({"state_dict": {}, "hyper_parameters": {"_instantiator": "os.system", "x": system}}),
        "text_as_description": _saved({**content, "recognizer": "x"}),
        "newer": _saved(_changed(content, "recognizer", "version", value=99)),
        "tokenizer_elsewhere": _saved(_changed(content, "recognizer", "tokenizer", value="/etc/passwd")),
        "tokenizer_of_noise": _saved(_changed(content, "recognizer", "tokenizer", value="spm-base64:AAAA")),
        "huge": _saved(_changed(content, "recognizer", "encoder", "arguments", "d_model", value=10**12)),
        "unknown_argument": _saved(_changed(content, "recognizer", "encoder", "arguments", "x", value=1)),
        "text_as_width": _saved(_changed(content, "recognizer", "encoder", "arguments", "d_model", value="x")),
        "other_weights": _saved(_changed(content, "state_dict", "head.bias", value=torch.zeros(1))),
        "no_weights": _saved({"recognizer": content["recognizer"]}),
    }
    paths = {}
    for name, data in files.items():
        paths[name] = folder / f"{name}.ckpt"
        paths[name].write_bytes(data)
    return paths
