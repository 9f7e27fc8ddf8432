"""Loading a model from a checkpoint, with no code run from it."""

from __future__ import annotations

import warnings
from argparse import ArgumentError
from pathlib import Path

from stt.errors import InputError
from stt.task import SpeechRecognizer


def load_recognizer(checkpoint: Path | str, device: str = "cpu") -> SpeechRecognizer:
    """Load a model for inference, from nothing but its checkpoint and with no code run from it.

    Raises:
        InputError: the file is missing, not a checkpoint of this project, or one of a version with other parts.
    """
    if not Path(checkpoint).is_file():
        raise InputError(f"{checkpoint}: there is no such checkpoint")
    # Lightning advises against saving modules as hyper-parameters; what a checkpoint holds is their configuration.
    warnings.filterwarnings("ignore", message=r".*is an instance of `nn\.Module`.*")
    try:
        model = SpeechRecognizer.load_from_checkpoint(checkpoint, map_location=device, weights_only=True)
    except InputError:
        raise
    except ArgumentError as error:
        why = " ".join(str(error).split())
        raise InputError(f"{checkpoint}: made by another version of this project, whose parts differ: {why}") from error
    except Exception as error:  # torch's unpickler and zip reader raise many kinds
        raise InputError(f"{checkpoint}: not a checkpoint of this project ({type(error).__name__})") from error
    return model.eval().to(device)
