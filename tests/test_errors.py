"""What works where extras are missing. Their modules are hidden here; an environment without them was seen once."""

import subprocess
import sys
from pathlib import Path

import pytest

from stt.audio.features import LogMel
from stt.errors import MissingExtraError, missing_extra
from stt.models import ConvTransformer
from stt.recognition.recognizer import Recognizer
from stt.text.normalize import get_normalizer
from stt.text.tokenizer import Tokenizer
from tests.conftest import RATE, ROOT

TRAIN = ["jinja2", "jsonargparse", "lightning", "lightning_utilities", "matplotlib", "num2words", "pyarrow"]
TRAIN += ["python_stretch", "rapidfuzz", "scipy", "torchmetrics", "yaml"]
MODULES = {
    "torch": ["torch", "torchaudio"],
    "train": TRAIN,
    "lm": ["kenlm", "pyctcdecode"],
    "wandb": ["wandb", "wandb_workspaces"],
    "demo": ["espeakng_loader"],
}


def run(code: str, without: list[str]) -> tuple[int, str, str]:
    """Run Python in a process that cannot import the modules of some extras."""
    absent = [module for extra in without for module in MODULES[extra]]
    hidden = f"import sys\nsys.modules.update(dict.fromkeys({absent}))\n{code}"
    done = subprocess.run([sys.executable, "-c", hidden], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def stt(arguments: list[str], without: list[str]) -> tuple[int, str, str]:
    return run(f"from stt.cli.main import main\nmain({arguments})", without)


@pytest.fixture
def checkpoint(tokenizer_file: Path, tmp_path: Path) -> str:
    encoder = ConvTransformer(32, (32, 48, 64), (1, 1, 1), (5, 5, 5), 64, 1, 2)
    recognizer = Recognizer(LogMel(RATE, 32), encoder, Tokenizer.load(tokenizer_file), get_normalizer("plain-1"))
    recognizer.save(tmp_path / "new.ckpt")
    return str(tmp_path / "new.ckpt")


def test_torch_alone_loads_a_checkpoint_and_transcribes(checkpoint: str, tones: Path) -> None:
    without = ["train", "lm", "wandb", "demo"]
    audio = str(tones.parent / "0.wav")
    code, in_python, _ = run(f"import stt; print(stt.load({checkpoint!r}).transcribe({audio!r}).text)", without)
    assert code == 0
    assert stt(["transcribe", checkpoint, audio], without) == (0, in_python, "")


def test_the_commands_that_an_extra_brings_are_shown_and_say_so(checkpoint: str, tones: Path) -> None:
    without = ["train", "lm", "wandb", "demo"]
    code, shown, _ = stt(["--help"], without)
    assert code == 0
    assert "corpus" in shown
    assert "transcribe" in shown
    for command in (["corpus", "stats", str(tones)], ["report", "run", "--out", "page.html"], ["score", "a", "b"]):
        code, _, said = stt(command, without)
        assert code == 2
        assert "comes with the extra 'train'" in said
        assert said.count("\n") == 1


def test_without_torch_the_package_is_imported_and_says_what_a_checkpoint_needs() -> None:
    without = ["torch", "train", "lm", "wandb", "demo"]
    tried = "import stt\ntry:\n    stt.load('a.ckpt')\nexcept ImportError as error:\n    print(error)"
    code, said, _ = run(tried, without)
    assert code == 0
    assert "torch is not installed" in said
    assert "extra 'torch'" in said
    assert stt(["transcribe", "a.ckpt", "a.wav"], without)[0] == 2


def test_training_needs_neither_language_models_nor_wandb(
    fit_args: list[str], tmp_path: Path, checkpoint: str, tones: Path
) -> None:
    without = ["lm", "wandb", "demo"]
    arguments = [*fit_args, "--trainer.max_steps=2", "--data.batches_per_epoch=2"]
    code, _, said = run(f"from stt.cli.train import main\nmain({arguments})", without)
    assert code == 0, said
    assert "which the extra 'wandb' brings" in said
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").is_file()
    assert list((tmp_path / "run" / "logs").rglob("metrics.csv"))
    for command, extra in (
        (["transcribe", checkpoint, str(tones), "--beam-width", "5"], "lm"),
        (["corpus", "demo", "--out", str(tmp_path / "demo")], "demo"),
        (["dashboard", "push", "a", "--run", str(tmp_path / "run")], "wandb"),
    ):
        code, _, said = stt(command, without)
        assert code == 2
        assert f"extra {extra!r}" in said


def test_a_module_that_no_extra_brings_is_a_fault_of_the_code() -> None:
    assert isinstance(missing_extra(ModuleNotFoundError("no", name="kenlm.something")), MissingExtraError)
    with pytest.raises(ModuleNotFoundError):
        missing_extra(ModuleNotFoundError("no", name="stt.misspelled"))
