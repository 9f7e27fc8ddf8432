"""Train your own speech-to-text model: conv-transformer CTC, many domains, one command line."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from stt.errors import missing_extra

if TYPE_CHECKING:
    from stt.data.preprocessing import Preprocessing
    from stt.inference.load import load
    from stt.recognition.evaluate import evaluate
    from stt.recognition.recognizer import Recognizer
    from stt.recognition.transcriber import Transcriber
    from stt.registry import register
    from stt.training.datamodule import SpeechDataModule
    from stt.training.task import SpeechTask

__version__ = "0.1.0"
__all__ = [
    "Preprocessing",
    "Recognizer",
    "SpeechDataModule",
    "SpeechTask",
    "Transcriber",
    "__version__",
    "evaluate",
    "load",
    "register",
]

# Imported on first use: each takes seconds, and `stt --help` should be fast.
_MODULES = {
    "Preprocessing": "stt.data.preprocessing",
    "Recognizer": "stt.recognition.recognizer",
    "SpeechDataModule": "stt.training.datamodule",
    "SpeechTask": "stt.training.task",
    "Transcriber": "stt.recognition.transcriber",
    "evaluate": "stt.recognition.evaluate",
    "load": "stt.inference.load",
    "register": "stt.registry",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(_MODULES[name]), name)
    except ModuleNotFoundError as error:
        raise missing_extra(error) from error


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
