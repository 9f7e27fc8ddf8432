import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import stt
from stt.cli.main import main as commands
from stt.cli.train import main as train
from stt.correction.corrector import Corrector
from stt.errors import InputError
from stt.models import ConvTransformer
from stt.recognition.recognizer import Recognizer
from tests.conftest import MICRO, ROOT
from tests.processes import Forked, finished
from tests.recognition.hostile import as_version_0_1, hostile_files


@pytest.fixture
def good(trained: Path) -> Path:
    return trained / "checkpoints" / "last.ckpt"


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a folder with a module that creates the file `ran` when imported; so does any code that is executed."""
    (tmp_path / "innocent.py").write_text("import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def checkpoint_commands(
    checkpoint: Path, tones: Path, run: Path
) -> list[tuple[Callable[[list[str]], None], list[str]]]:
    """List every command that takes a checkpoint."""
    path, audio, out = str(checkpoint), str(tones.parent / "0.wav"), str(run / "corrector.ckpt")
    fit = [
        "fit",
        f"--config={MICRO}",
        f"--data.train={tones}",
        f"--data.validate={tones}",
        f"--run={run}",
        "--trainer.logger=false",
    ]
    return [
        (commands, ["transcribe", path, audio]),
        (
            commands,
            [
                "corrector",
                "train",
                path,
                str(tones),
                "--validate",
                str(tones),
                "--out",
                out,
                "--steps",
                "8",
                "--utterances",
                "4",
            ],
        ),
        (train, ["test", f"--ckpt_path={path}", f"--data.test={tones}", f"--run={run}"]),
        (train, [*fit, f"--ckpt_path={path}"]),
        (train, [*fit, f"--model.init_from={path}"]),
    ]


def test_every_command_rejects_hostile_files_with_one_error_line(
    good: Path, tones: Path, trap: Path, fails: Callable[..., str]
) -> None:
    files = hostile_files(trap, good, f"touch {trap / 'ran'}")
    for path in files.values():
        for main, args in checkpoint_commands(path, tones, trap / "run"):
            errors = [line for line in fails(main, args).splitlines() if line.startswith("error: ")]
            assert len(errors) == 1, (path, args, errors)
            assert errors[0].startswith(f"error: {path}: "), errors
            assert len(errors[0]) < 500
            for advice in ("weights_only", "torch.load", "safe_globals"):
                assert advice not in errors[0]
        with pytest.raises(InputError, match=path.name):
            Corrector.load(path)
    assert not (trap / "ran").exists()
    assert "innocent" not in sys.modules


def test_hyper_parameters_in_a_checkpoint_are_never_instantiated(
    good: Path, tones: Path, trap: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    system = {"class_path": "os.system", "init_args": {"command": f"touch {trap / 'ran'}"}}
    innocent = {"class_path": "innocent.Augmentation"}
    content = torch.load(good, weights_only=True)
    more = as_version_0_1(content, optimizer=system, augment=innocent)["hyper_parameters"]
    torch.save({**content, "hyper_parameters": more}, trap / "more.ckpt")
    for number, (main, args) in enumerate(checkpoint_commands(trap / "more.ckpt", tones, trap / "run")):
        if main is commands:
            with pytest.raises(SystemExit) as exit_:
                main(args)
            assert not exit_.value.code, capsys.readouterr().err
        else:
            steps = 246 if any("ckpt_path" in arg for arg in args) else 3
            main([*args, *([f"--trainer.max_steps={steps}"] if "fit" in args else []), f"--run={trap / str(number)}"])
    assert not (trap / "ran").exists()
    assert "innocent" not in sys.modules


@stt.register
class CallableArgument(ConvTransformer):
    """Encoder with an argument that a configuration could set to a function."""

    def __init__(self, n_mels: int = 32, activation: Callable[[int], int] | str | None = None) -> None:
        super().__init__(n_mels, (32, 48, 64), (1, 1, 1), (5, 5, 5), 64, 2, 2)
        self.activation = activation


@pytest.mark.parametrize("activation", ["innocent.function", {"class_path": "innocent.Class"}], ids=["text", "dict"])
def test_arguments_of_custom_classes_in_a_checkpoint_are_not_imported(
    good: Path, tones: Path, trap: Path, activation: object
) -> None:
    content = torch.load(good, weights_only=True)
    arguments = {"n_mels": 32, "activation": activation}
    content["recognizer"]["encoder"] = {"class": "CallableArgument", "arguments": arguments}
    torch.save(content, trap / "callable.ckpt")
    data = [f"--ckpt_path={trap / 'callable.ckpt'}", f"--data.test={tones}", "--trainer.logger=false"]
    train(["test", *data, f"--run={trap / 'test'}"])
    assert json.loads((trap / "test" / "test_metrics.json").read_text())["mean"]["cer"] < 0.1
    resumed = ["--trainer.max_steps=306", f"--run={trap / 'run'}", f"--data.train={tones}", f"--data.validate={tones}"]
    train(["fit", f"--config={MICRO}", *data, *resumed])
    assert (
        Recognizer.load(trap / "run" / "checkpoints" / "last.ckpt").description()["encoder"]["arguments"] == arguments
    )
    assert not (trap / "ran").exists()


def test_corrupt_training_state_is_reported(
    good: Path, fit_args: list[str], tmp_path: Path, fails: Callable[..., str]
) -> None:
    content = torch.load(good, weights_only=True)
    for name, value in {"optimizer_states": [{"x": 1}], "loops": "x", "SpeechDataModule": {"stream": {"x": 1}}}.items():
        torch.save({**content, name: value}, tmp_path / "junk.ckpt")
        message = fails(train, [*fit_args, f"--run={tmp_path / name}", f"--ckpt_path={tmp_path / 'junk.ckpt'}"])
        assert "junk.ckpt: its training state does not match this run" in message
    Recognizer.load(good).save(tmp_path / "saved.ckpt")
    message = fails(train, [*fit_args, f"--ckpt_path={tmp_path / 'saved.ckpt'}"])
    assert "no training state to resume; to start from its weights, give it as --model.init_from" in message


CUSTOM_PACKAGE = """
import stt
from stt.models import ConvTransformer, Encoder

@stt.register
class CustomEncoder(Encoder):
    def __init__(self, n_mels: int = 32, width: int = 24) -> None:
        super().__init__()
        self.inner = ConvTransformer(n_mels, (8, 8, 8), (1, 1, 1), (3, 3, 3), width, 1, 2)
        self.d_model = width
        self.output_lengths = self.inner.output_lengths

    def forward(self, x, lengths):
        return self.inner(x, lengths)
"""


def test_a_custom_encoder_can_be_trained_from_a_config_and_loaded_with_import(
    fit_args: list[str], tones: Path, tmp_path: Path, fails: Callable[..., str]
) -> None:
    (tmp_path / "custom_package.py").write_text(CUSTOM_PACKAGE)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, *args], cwd=tmp_path, env=environment, capture_output=True, text=True)

    custom = ["--model.encoder=custom_package.CustomEncoder", "--model.encoder.width=16"]
    finished(Forked([*fit_args, *custom], environment))
    checkpoint = str(tmp_path / "run" / "checkpoints" / "last.ckpt")
    transcribe = ["transcribe", checkpoint, str(tones.parent / "0.wav")]
    rejected = "a class 'CustomEncoder', which is not registered; if you trust the package"
    assert rejected in fails(commands, transcribe)
    assert run("-m", "stt", "--import", "custom_package", *transcribe).returncode == 0
    test = ["test", f"--ckpt_path={checkpoint}", f"--data.test={tones}", f"--run={tmp_path / 'tested'}"]
    finished(Forked([*test, "--import=custom_package"], environment))
    missing = fails(commands, ["--import", "no_such_package", *transcribe])
    assert missing.startswith("error: --import no_such_package")


def test_parts_that_a_checkpoint_cannot_describe_are_rejected_before_training(tokenizer_file: Path) -> None:
    from stt.audio.features import LogMel
    from stt.models import ConvTransformer, Encoder
    from stt.recognition.recognizer import Recognizer
    from stt.text.normalize import get_normalizer
    from stt.text.tokenizer import Tokenizer

    class Unregistered(ConvTransformer):
        pass

    class PositionalArguments(Encoder):
        def __init__(self, *sizes: int) -> None: ...

    class LogMel2(Encoder):
        pass

    parts = (Tokenizer.load(tokenizer_file), get_normalizer("plain-1"))
    with pytest.raises(InputError, match=r"Unregistered is not registered"):
        Recognizer(LogMel(), Unregistered(), *parts)
    with pytest.raises(InputError, match=r"ConvTransformer\(dropout=...\): checkpoints can store numbers"):
        Recognizer(LogMel(), ConvTransformer(dropout=torch.tensor(0.1)), *parts)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"must name its arguments"):
        stt.register(PositionalArguments)
    LogMel2.__name__ = "LogMel"
    with pytest.raises(InputError, match=r"registered under the same name"):
        stt.register(LogMel2)
