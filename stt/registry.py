"""The classes that checkpoints may name: the project's own, and those that a user's code registers."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from torch import nn

from stt.errors import InputError, reason

Class = TypeVar("Class", bound=type[nn.Module])
Part = TypeVar("Part", bound=nn.Module)

_ARGUMENTS = "_registered_arguments"
_classes: dict[str, type[nn.Module]] = {}
_packages: dict[str, None] = {}  # in order


def register(cls: Class) -> Class:
    """Register a class (as a decorator), so that checkpoints can name it by its class name without the module.

    Its instances remember their constructor arguments, which are stored in checkpoints. Checkpoints that name an
    unregistered class are rejected; nothing is imported on their behalf.

    Args:
        cls: an encoder or a front end whose arguments are numbers, strings, None, or lists and dicts of these.

    Raises:
        InputError: another class of the same name is registered, or the constructor takes variadic arguments.

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
    if known and class_path(known) != class_path(cls):  # the same path again: a notebook cell that was re-run
        raise InputError(f"{class_path(cls)}: {class_path(known)} is already registered under the same name")
    construct = cls.__init__
    signature = inspect.signature(construct)
    if any(one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in signature.parameters.values()):
        raise InputError(f"{class_path(cls)}: a registered class must name its arguments, without * and **")

    @functools.wraps(construct)
    def init(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        construct(self, *args, **kwargs)
        if type(self) is cls:  # a subclass stores its own arguments
            bound = signature.bind(self, *args, **kwargs)
            bound.apply_defaults()
            self.__dict__[_ARGUMENTS] = dict(list(bound.arguments.items())[1:])

    cls.__init__ = init  # type: ignore[method-assign]
    _classes[cls.__name__] = cls
    return cls


def import_packages(names: Iterable[str]) -> None:
    """Import packages that register classes, for the option `--import`.

    Raises:
        InputError: a package cannot be imported.
    """
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise InputError(f"--import {name}: the package cannot be imported ({error})") from error
        _packages[name] = None


def imported_packages() -> tuple[str, ...]:
    """Return the names of the packages that were imported, for processes that load the same checkpoint."""
    return tuple(_packages)


def describe(part: nn.Module) -> dict[str, Any]:
    """Return the class name and the arguments of an instance of a registered class, as plain values.

    Raises:
        InputError: its class is not registered, or an argument is not a plain value.
    """
    cls = type(part)
    if _classes.get(cls.__name__) is not cls:
        raise InputError(
            f"{class_path(cls)} is not registered, so checkpoints cannot name it: decorate it with @stt.register"
        )
    arguments = part.__dict__[_ARGUMENTS]
    return {
        "class": cls.__name__,
        "arguments": {name: _plain(value, f"{cls.__name__}({name}=...)") for name, value in arguments.items()},
    }


def build(description: Any, base: type[Part]) -> Part:
    """Construct an instance of a registered class from the output of `describe`.

    Args:
        description: may come from an untrusted file; nothing that it names is imported.
        base: required base class.

    Raises:
        InputError: the class is not registered, is not a subclass of `base`, or its arguments are invalid.
    """
    cls = lookup(description, base)
    try:
        return cls(**description["arguments"])
    except Exception as error:  # constructors, including the user's, receive unchecked values
        raise InputError(f"the arguments of {cls.__name__} are invalid ({reason(error)})") from error


def lookup(description: Any, base: type[Part]) -> type[Part]:
    """Return the registered class that a description names.

    Raises:
        InputError: the description is invalid, or the class is not registered or not a subclass of `base`.
    """
    name = description.get("class") if isinstance(description, Mapping) else None
    if not isinstance(name, str) or not isinstance(description.get("arguments"), Mapping):
        raise InputError(f"the description of its {base.__name__} is corrupt")
    cls = _classes.get(name)
    if cls is None:
        raise InputError(
            f"it requires a class {name!r}, which is not registered; if you trust the package "
            "that registers it, name it with --import PACKAGE"
        )
    if not issubclass(cls, base):
        raise InputError(f"it names {name} as its {base.__name__}, but that is not a subclass of {base.__name__}")
    return cls


def class_path(cls: type) -> str:
    """Return the dotted path by which a configuration names a class."""
    return f"{cls.__module__}.{cls.__qualname__}"


def _plain(value: Any, where: str) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(one, where) for one in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(one, where) for key, one in value.items()}
    kind = type(value).__name__
    raise InputError(f"{where}: checkpoints can store numbers, strings, None, lists and dicts, not {kind}")
