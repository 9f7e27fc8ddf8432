"""What works without extras. Their modules are hidden here; it was also checked once without them installed."""

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
TRAIN += ["pymorphy3", "python_stretch", "rapidfuzz", "ru_normalizr", "scipy", "torchmetrics", "yaml"]
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


def refused(commands: list[list[str]], without: list[str]) -> list[str]:
    """Run commands that must end with exit code 2 in one process; return what each said."""
    lines = ["from stt.cli.main import main", f"for command in {commands}:", "    try:", "        main(command)"]
    lines += ["    except SystemExit as stopped:", "        assert stopped.code == 2, (command, stopped.code)"]
    lines += ["    else:", "        assert False, command"]
    code, _, said = run("\n".join(lines), without)
    assert code == 0, said
    return said.splitlines()


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


def test_commands_that_need_an_extra_are_listed_and_name_it(checkpoint: str, tones: Path) -> None:
    without = ["train", "lm", "wandb", "demo"]
    code, shown, _ = stt(["--help"], without)
    assert code == 0
    assert "corpus" in shown
    assert "transcribe" in shown
    commands = [["corpus", "stats", str(tones)], ["report", "run", "--out", "page.html"], ["score", "a", "b"]]
    said = refused(commands, without)
    assert len(said) == len(commands)
    assert all("comes with the extra 'train'" in line for line in said)


def test_without_torch_the_package_can_be_imported_and_loading_names_the_extra() -> None:
    without = ["torch", "train", "lm", "wandb", "demo"]
    tried = "import stt\ntry:\n    stt.load('a.ckpt')\nexcept ImportError as error:\n    print(error)"
    code, message, _ = run(tried, without)
    assert code == 0
    assert "needs torch, which is not installed" in message
    assert "extra 'torch'" in message
    assert stt(["transcribe", "a.ckpt", "a.wav"], without)[0] == 2


def test_training_needs_neither_language_models_nor_wandb(
    fit_args: list[str], tmp_path: Path, checkpoint: str, tones: Path, offline_wandb: None
) -> None:
    without = ["lm", "wandb", "demo"]
    arguments = [*fit_args, "--trainer.max_steps=2", "--data.batches_per_epoch=2"]
    code, _, message = run(f"from stt.cli.train import main\nmain({arguments})", without)
    assert code == 0, message
    assert "wandb is not installed (extra 'wandb')" in message
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").is_file()
    assert list((tmp_path / "run" / "logs").rglob("metrics.csv"))
    extras = {
        "lm": ["transcribe", checkpoint, str(tones), "--beam-width", "5"],
        "demo": ["corpus", "synthesize", str(tones), "--language", "en", "--out", str(tmp_path / "new")],
        "wandb": ["dashboard", "push", "a", "--run", str(tmp_path / "run")],
    }
    said = refused([*extras.values(), ["corpus", "demo", "--out", str(tmp_path / "demo")]], without)
    for extra, line in zip([*extras, "demo"], said, strict=True):
        assert f"extra {extra!r}" in line


def test_a_missing_module_that_no_extra_provides_raises_the_original_error() -> None:
    assert isinstance(missing_extra(ModuleNotFoundError("no", name="kenlm.something")), MissingExtraError)
    with pytest.raises(ModuleNotFoundError):
        missing_extra(ModuleNotFoundError("no", name="stt.misspelled"))
