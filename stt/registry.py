"""What a checkpoint may hold: weights, plain values and the names of registered classes, and no code."""

from __future__ import annotations

import functools
import importlib
import inspect
import pickle
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from stt.errors import InputError, reason

Class = TypeVar("Class", bound=type[nn.Module])
Part = TypeVar("Part", bound=nn.Module)

_ARGUMENTS = "_registered_arguments"
_classes: dict[str, type[nn.Module]] = {}


def register(cls: Class) -> Class:
    """Let checkpoints name a class, by its name without the module; to be put above the class as a decorator.

    Its objects then remember what they were made with, so that a checkpoint can hold it. Nothing but this adds
    a class: a checkpoint that names another one is refused, and nothing is imported for it.

    Args:
        cls: an encoder or a front end whose arguments are numbers, texts, None, and lists or dicts of these.

    Raises:
        InputError: another class of that name is registered, or the arguments have no names.

    Example:
        >>> import stt
        >>> from stt.models import Encoder
        >>> from torch import nn
        >>> @stt.register
        ... class OneLayer(Encoder):
        ...     def __init__(self, n_mels: int = 64, d_model: int = 128) -> None:
        ...         super().__init__()
        ...         self.d_model = d_model
        ...         self.conv = nn.Conv1d(n_mels, d_model, 11, padding=5)
        ...
        ...     def output_lengths(self, lengths):
        ...         return lengths
        ...
        ...     def forward(self, x, lengths):
        ...         return self.conv(x.transpose(1, 2)).transpose(1, 2), lengths
    """
    known = _classes.get(cls.__name__)
    if known and class_path(known) != class_path(cls):  # the same again: a cell of a notebook that is run twice
        raise InputError(f"{class_path(cls)}: {class_path(known)} is registered under the same name")
    construct = cls.__init__
    signature = inspect.signature(construct)
    if any(one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in signature.parameters.values()):
        raise InputError(f"{class_path(cls)}: a registered class names each of its arguments, without * and **")

    @functools.wraps(construct)
    def remembering(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        construct(self, *args, **kwargs)
        if type(self) is cls:  # a subclass has arguments of its own
            bound = signature.bind(self, *args, **kwargs)
            bound.apply_defaults()
            self.__dict__[_ARGUMENTS] = dict(list(bound.arguments.items())[1:])

    cls.__init__ = remembering  # type: ignore[method-assign]
    _classes[cls.__name__] = cls
    return cls


def import_packages(names: Iterable[str]) -> None:
    """Import packages that register classes, as `--import` asks for.

    Raises:
        InputError: a package cannot be imported.
    """
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise InputError(f"--import {name}: it cannot be imported ({error})") from error


def describe(part: nn.Module) -> dict[str, Any]:
    """Give the name and the arguments of an object of a registered class, as plain values.

    Raises:
        InputError: its class is not registered, or an argument is not plain.
    """
    cls = type(part)
    if _classes.get(cls.__name__) is not cls:
        raise InputError(
            f"{class_path(cls)} is not registered, so no checkpoint can name it: put @stt.register above it"
        )
    arguments = part.__dict__[_ARGUMENTS]
    return {
        "class": cls.__name__,
        "arguments": {name: _plain(value, f"{cls.__name__}({name}=...)") for name, value in arguments.items()},
    }


def build(description: Any, base: type[Part]) -> Part:
    """Make an object of a registered class by what `describe` gave.

    Args:
        description: of a file that need not be trusted; nothing that it names is imported.
        base: what the class must be a subclass of.

    Raises:
        InputError: nobody registered the class, it is not such a class, or its arguments are wrong.
    """
    cls = lookup(description, base)
    try:
        return cls(**description["arguments"])
    except Exception as error:  # the constructors, a user's too, meet values that nobody has checked
        raise InputError(f"the arguments of {cls.__name__} are wrong ({reason(error)})") from error


def lookup(description: Any, base: type[Part]) -> type[Part]:
    """Find the registered class that a description names.

    Raises:
        InputError: it is no description, nobody registered the class, or it is no subclass of `base`.
    """
    name = description.get("class") if isinstance(description, Mapping) else None
    if not isinstance(name, str) or not isinstance(description.get("arguments"), Mapping):
        raise InputError(f"the description of its {base.__name__} is damaged")
    cls = _classes.get(name)
    if cls is None:
        raise InputError(
            f"it asks for a class {name!r}, which is not registered; if you trust the package "
            "that registers it, name it with --import PACKAGE"
        )
    if not issubclass(cls, base):
        raise InputError(f"it asks for {name} as its {base.__name__}, which it is not")
    return cls


def class_path(cls: type) -> str:
    """Give the dotted name under which a configuration names a class."""
    return f"{cls.__module__}.{cls.__qualname__}"


def _plain(value: Any, where: str) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(one, where) for one in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(one, where) for key, one in value.items()}
    raise InputError(f"{where}: a checkpoint holds numbers, texts, None, lists and dicts, not {type(value).__name__}")


def read_checkpoint(path: Path | str) -> dict[str, Any]:
    """Read everything that a checkpoint holds, on the CPU.

    Raises:
        InputError: the file is missing, damaged, or holds anything but tensors and plain values.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such checkpoint")
    try:
        with warnings.catch_warnings(action="ignore"):  # of archives and protocols that are refused or read anyway
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # torch's own words advise to load it unsafely
        raise InputError(
            f"{path}: not a checkpoint of this project: it holds more than weights and plain values, or is damaged"
        ) from error
    except Exception as error:  # the readers of zip files and of pickles raise many kinds
        raise InputError(f"{path}: not a checkpoint of this project ({type(error).__name__})") from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise InputError(f"{path}: not a checkpoint of this project: it holds no named parts")
    return content
