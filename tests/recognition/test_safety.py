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
from stt.recognition.recognizer import load
from tests.conftest import MICRO, ROOT
from tests.recognition.hostile import as_version_0_1, hostile_files


@pytest.fixture
def good(trained: Path) -> Path:
    return trained / "checkpoints" / "last.ckpt"


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with a module that tells when it is imported; code that ran leaves a file called `ran`."""
    (tmp_path / "innocent.py").write_text("import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def every_way(checkpoint: Path, tones: Path, run: Path) -> list[tuple[Callable[[list[str]], None], list[str]]]:
    """Every command that takes a checkpoint."""
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


def test_hostile_files_are_refused_by_every_command_with_one_sentence(
    good: Path, tones: Path, trap: Path, fails: Callable[..., str]
) -> None:
    files = hostile_files(trap, good, f"touch {trap / 'ran'}")
    for path in files.values():
        for main, args in every_way(path, tones, trap / "run"):
            said = [line for line in fails(main, args).splitlines() if line.startswith("error: ")]
            assert len(said) == 1, (path, args, said)
            assert said[0].startswith(f"error: {path}: "), said
            assert len(said[0]) < 500
            for advice in ("weights_only", "torch.load", "safe_globals"):
                assert advice not in said[0]
        with pytest.raises(InputError, match=path.name):
            Corrector.load(path)
    assert not (trap / "ran").exists()
    assert "innocent" not in sys.modules


def test_what_a_checkpoint_says_of_its_training_is_never_made(
    good: Path, tones: Path, trap: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    system = {"class_path": "os.system", "init_args": {"command": f"touch {trap / 'ran'}"}}
    innocent = {"class_path": "innocent.Augmentation"}
    content = torch.load(good, weights_only=True)
    more = as_version_0_1(content, optimizer=system, augment=innocent)["hyper_parameters"]
    torch.save({**content, "hyper_parameters": more}, trap / "more.ckpt")
    for number, (main, args) in enumerate(every_way(trap / "more.ckpt", tones, trap / "run")):
        if main is commands:
            with pytest.raises(SystemExit) as stopped:
                main(args)
            assert not stopped.value.code, capsys.readouterr().err
        else:
            steps = 246 if any("ckpt_path" in arg for arg in args) else 3
            main([*args, *([f"--trainer.max_steps={steps}"] if "fit" in args else []), f"--run={trap / str(number)}"])
    assert not (trap / "ran").exists()
    assert "innocent" not in sys.modules


@stt.register
class Curious(ConvTransformer):
    """Has an argument that a configuration could name a function for."""

    def __init__(self, n_mels: int = 32, activation: Callable[[int], int] | str | None = None) -> None:
        super().__init__(n_mels, (32, 48, 64), (1, 1, 1), (5, 5, 5), 64, 2, 2)
        self.activation = activation


@pytest.mark.parametrize("activation", ["innocent.function", {"class_path": "innocent.Class"}], ids=["text", "dict"])
def test_what_the_arguments_of_ones_own_class_are_in_a_file_is_not_imported(
    good: Path, tones: Path, trap: Path, activation: object
) -> None:
    content = torch.load(good, weights_only=True)
    arguments = {"n_mels": 32, "activation": activation}
    content["recognizer"]["encoder"] = {"class": "Curious", "arguments": arguments}
    torch.save(content, trap / "curious.ckpt")
    data = [f"--ckpt_path={trap / 'curious.ckpt'}", f"--data.test={tones}", "--trainer.logger=false"]
    train(["test", *data, f"--run={trap / 'test'}"])
    assert json.loads((trap / "test" / "test_metrics.json").read_text())["mean"]["cer"] < 0.1
    resumed = ["--trainer.max_steps=306", f"--run={trap / 'run'}", f"--data.train={tones}", f"--data.validate={tones}"]
    train(["fit", f"--config={MICRO}", *data, *resumed])
    assert load(trap / "run" / "checkpoints" / "last.ckpt").description()["encoder"]["arguments"] == arguments
    assert not (trap / "ran").exists()


def test_a_state_of_a_training_that_is_junk_is_named(
    good: Path, fit_args: list[str], tmp_path: Path, fails: Callable[..., str]
) -> None:
    content = torch.load(good, weights_only=True)
    for name, value in {"optimizer_states": [{"x": 1}], "loops": "x", "SpeechDataModule": {"stream": {"x": 1}}}.items():
        torch.save({**content, name: value}, tmp_path / "junk.ckpt")
        said = fails(train, [*fit_args, f"--run={tmp_path / name}", f"--ckpt_path={tmp_path / 'junk.ckpt'}"])
        assert "junk.ckpt: its training state does not match this run" in said
    load(good).save(tmp_path / "saved.ckpt")
    said = fails(train, [*fit_args, f"--ckpt_path={tmp_path / 'saved.ckpt'}"])
    assert "no training state to resume; to start from its weights, give it as --model.init_from" in said


OWN = """
import stt
from stt.models import ConvTransformer, Encoder

@stt.register
class OwnEncoder(Encoder):
    def __init__(self, n_mels: int = 32, width: int = 24) -> None:
        super().__init__()
        self.inner = ConvTransformer(n_mels, (8, 8, 8), (1, 1, 1), (3, 3, 3), width, 1, 2)
        self.d_model = width
        self.output_lengths = self.inner.output_lengths

    def forward(self, x, lengths):
        return self.inner(x, lengths)
"""


def test_an_encoder_of_ones_own_is_trained_by_a_config_and_loaded_where_its_package_is_named(
    fit_args: list[str], tones: Path, tmp_path: Path
) -> None:
    (tmp_path / "own_package.py").write_text(OWN)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, *args], cwd=tmp_path, env=environment, capture_output=True, text=True)

    done = run(str(ROOT / "train.py"), *fit_args, "--model.encoder=own_package.OwnEncoder", "--model.encoder.width=16")
    assert done.returncode == 0, done.stderr
    checkpoint = str(tmp_path / "run" / "checkpoints" / "last.ckpt")
    transcribe = ["transcribe", checkpoint, str(tones.parent / "0.wav")]
    refused = run("-m", "stt", *transcribe)
    assert refused.returncode == 2
    assert "a class 'OwnEncoder', which is not registered; if you trust the package" in refused.stderr
    assert run("-m", "stt", "--import", "own_package", *transcribe).returncode == 0
    test = ["test", f"--ckpt_path={checkpoint}", f"--data.test={tones}", f"--run={tmp_path / 'tested'}"]
    assert run(str(ROOT / "train.py"), *test, "--import=own_package").returncode == 0
    missing = run("-m", "stt", "--import", "no_such_package", *transcribe)
    assert (missing.returncode, missing.stderr.startswith("error: --import no_such_package")) == (2, True)


def test_what_no_file_could_name_is_refused_before_training(tokenizer_file: Path) -> None:
    from stt.audio.features import LogMel
    from stt.models import ConvTransformer, Encoder
    from stt.recognition.recognizer import Recognizer
    from stt.text.normalize import get_normalizer
    from stt.text.tokenizer import Tokenizer

    class Unknown(ConvTransformer):
        pass

    class Loose(Encoder):
        def __init__(self, *sizes: int) -> None: ...

    class LogMel2(Encoder):
        pass

    parts = (Tokenizer.load(tokenizer_file), get_normalizer("plain-1"))
    with pytest.raises(InputError, match=r"Unknown is not registered"):
        Recognizer(LogMel(), Unknown(), *parts)
    with pytest.raises(InputError, match=r"ConvTransformer\(dropout=...\): checkpoints can store numbers"):
        Recognizer(LogMel(), ConvTransformer(dropout=torch.tensor(0.1)), *parts)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"must name its arguments"):
        stt.register(Loose)
    LogMel2.__name__ = "LogMel"
    with pytest.raises(InputError, match=r"registered under the same name"):
        stt.register(LogMel2)
