"""Untrusted files: damaged, foreign, or crafted to run code when loaded."""

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
    """Runs a command when unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self.command,)


def as_version_0_1(content: Content, encoder: str = "stt.models.ConvTransformer", **more: Any) -> Content:
    """Convert a checkpoint to the format written by version 0.1."""
    description = content["recognizer"]
    hyper_parameters = {
        "tokenizer": description["tokenizer"],
        "normalizer": description["normalizer"],
        "features": {"class_path": "stt.audio.features.LogMel", "init_args": description["features"]["arguments"]},
        "encoder": {"class_path": encoder, "init_args": description["encoder"]["arguments"]},
        "_instantiator": "lightning.pytorch.cli.instantiate_module",
        **more,
    }
    rest = {name: value for name, value in content.items() if name != "recognizer"}
    return {**rest, "train_domains": description["train_domains"], "hyper_parameters": hyper_parameters}


def _with_value(content: Content, *path: str, value: Any) -> Content:
    content = copy.deepcopy(content)
    inner = content
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return content


def _with_encoder(content: Content, name: str) -> Content:
    return _with_value(content, "recognizer", "encoder", value={"class": name, "arguments": {}})


def _save(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"nonsense")
    return buffer.getvalue()


def _script() -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), buffer)
    return buffer.getvalue()


def hostile_files(folder: Path, good: Path, command: str) -> dict[str, Path]:
    """Write hostile files by name.

    Args:
        folder: folder to write to.
        good: training checkpoint that some of them are derived from.
        command: shell command that those with code try to run.
    """
    content = torch.load(good, weights_only=True)
    system = {"class_path": "os.system", "init_args": {"command": command}}
    files = {
        "empty": b"",
        "noise": bytes(range(256)) * 16,
        "truncated": good.read_bytes()[: good.stat().st_size // 2],
        "pickled_command": pickle.dumps(Call(command)),
        "saved_command": _save({**content, "state_dict": Call(command)}),
        "whole_module": _save(torch.nn.Linear(2, 2)),
        "zip": _zip(),
        "script": _script(),
        "list": _save([1, 2, 3]),
        "state_dict_only": _save(content["state_dict"]),
        "other_project": _save({"state_dict": {}, "epoch": 1, "hyper_parameters": {"lr": 0.1}}),
        "function_as_encoder": _save(_with_encoder(content, "os.system")),
        "module_as_encoder": _save(_with_encoder(content, "innocent.Encoder")),
        "older": _save(as_version_0_1(content)),
        "older_function": _save(as_version_0_1(content, "os.system")),
        "class_as_model": _save(_with_value(content, "recognizer", "features", value={"class": "os", "arguments": {}})),
        "instantiator": _save({"state_dict": {}, "hyper_parameters": {"_instantiator": "os.system", "x": system}}),
        "text_as_description": _save({**content, "recognizer": "x"}),
        "newer": _save(_with_value(content, "recognizer", "version", value=99)),
        "tokenizer_path": _save(_with_value(content, "recognizer", "tokenizer", value="/etc/passwd")),
        "tokenizer_noise": _save(_with_value(content, "recognizer", "tokenizer", value="spm-base64:AAAA")),
        "huge": _save(_with_value(content, "recognizer", "encoder", "arguments", "d_model", value=10**12)),
        "unknown_argument": _save(_with_value(content, "recognizer", "encoder", "arguments", "x", value=1)),
        "text_as_width": _save(_with_value(content, "recognizer", "encoder", "arguments", "d_model", value="x")),
        "other_weights": _save(_with_value(content, "state_dict", "head.bias", value=torch.zeros(1))),
        "no_weights": _save({"recognizer": content["recognizer"]}),
    }
    paths = {}
    for name, data in files.items():
        paths[name] = folder / f"{name}.ckpt"
        paths[name].write_bytes(data)
    return paths
