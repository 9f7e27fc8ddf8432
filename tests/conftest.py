"""Shared fixtures: a corpus of tones that a network learns in seconds, and the place of real speech."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from stt.data.preprocessing import Preprocessing

os.environ["WANDB_MODE"] = "disabled"  # half of a small training's time; `offline_wandb` enables it
os.environ["WANDB_SILENT"] = "true"
os.environ["WANDB_X_SAVE_REQUIREMENTS"] = "false"  # would read the metadata of all packages for each run
torch.set_num_threads(1)  # networks this small gain nothing from more, and lose much on a shared machine

ROOT = Path(__file__).parents[1]
MICRO = ROOT / "tests" / "micro.yaml"
LETTERS = "abcde"
RATE = 8_000


def spoken_in_tones(text: str, seed: int = 0) -> np.ndarray:
    """Every letter is a tone of its own for 0.2 s, a space is a pause; a little noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(0.2 * RATE)) / RATE
    parts = [
        np.zeros(len(time)) if letter == " " else 0.5 * np.sin(2 * np.pi * 400 * 1.4 ** LETTERS.index(letter) * time)
        for letter in f" {text} "
    ]
    waveform = np.concatenate(parts)
    return (waveform + 0.003 * rng.standard_normal(len(waveform))).astype(np.float32)


def write_corpus(folder: Path, count: int, seed: int, domains: tuple[str, ...] = ("high", "low")) -> Path:
    """Write wav files of random words in tones and a JSON Lines manifest of them."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for i in range(count):
        words = [
            "".join(rng.choice(list(LETTERS), size=rng.integers(1, 4), replace=False))
            for _ in range(rng.integers(1, 4))
        ]
        text = " ".join(words)
        waveform = spoken_in_tones(text, seed=i)
        soundfile.write(folder / f"{i}.wav", waveform, RATE)
        domain = domains[i % len(domains)]
        lines.append({"audio": f"{i}.wav", "text": text, "duration": len(waveform) / RATE, "domain": domain})
    manifest = folder / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return manifest


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Make a folder in the process of the test run that comes first; return it, which all of them share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            make(folder)
    return folder


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of 120 utterances of tones in two domains, with a tokenizer beside it."""
    from stt.text.tokenizer import train_tokenizer

    def make(folder: Path) -> None:
        texts = [json.loads(line)["text"] for line in write_corpus(folder, 120, seed=0).read_text().splitlines()]
        (folder / "tokenizer.model").write_bytes(train_tokenizer(texts, 8).model)

    return made_once(tmp_path_factory, "tones", make) / "manifest.jsonl"


@pytest.fixture(scope="session")
def tokenizer_file(tones: Path) -> Path:
    """A tokenizer for the tones."""
    return tones.parent / "tokenizer.model"


class StandIn(Preprocessing):
    """What the data ask of a model, without one."""

    def __init__(self, tokenizer_file: Path, strength: float = 0.0) -> None:
        super().__init__(tokenizer_file, RATE, strength, output_lengths=lambda samples: samples // 640 + 1)


@pytest.fixture
def fit_args(tones: Path, tokenizer_file: Path, tmp_path: Path) -> list[str]:
    """Arguments of a small run on the tones."""
    return [
        "fit",
        f"--config={MICRO}",
        f"--model.tokenizer={tokenizer_file}",
        f"--data.train={tones}",
        f"--data.validate={tones}",
        f"--run={tmp_path / 'run'}",
    ]


@pytest.fixture
def offline_wandb(monkeypatch: pytest.MonkeyPatch) -> None:
    """Log to W&B, offline."""
    monkeypatch.setenv("WANDB_MODE", "offline")


def fit_once(tmp_path_factory: pytest.TempPathFactory, name: str, args: list[str]) -> Path:
    """Train in the process of the test run that comes first; return the run folder, which all of them share."""
    from stt.cli.train import main

    def fit(run: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("WANDB_MODE", "offline")
            main(["fit", f"--config={MICRO}", *args, f"--run={run}"])

    return made_once(tmp_path_factory, name, fit)


@pytest.fixture(scope="session")
def trained(tones: Path, tokenizer_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that has learned the tones."""
    data = [f"--data.train={tones}", f"--data.validate={tones}"]
    length = ["--trainer.max_steps=300", "--data.batches_per_epoch=75"]
    return fit_once(tmp_path_factory, "trained", [f"--model.tokenizer={tokenizer_file}", *data, *length])


@pytest.fixture(scope="session")
def real_speech() -> Path:
    """The folder of real speech; tests that need it skip where there is none."""
    folder = Path(os.environ.get("STT_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "fsdd").is_dir():
        pytest.skip(f"no real speech in {folder}: set STT_TEST_DATA to the folder that holds fsdd/")
    return folder


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that must end with exit code 2 and one error; gives what it said."""

    def run(main: Callable[[list[str]], None], args: list[str]) -> str:
        with pytest.raises(SystemExit) as stopped:
            main(args)
        said = capsys.readouterr().err
        assert stopped.value.code == 2, said
        assert "Traceback" not in said
        return said

    return run


@pytest.fixture(scope="session")
def steered(tones: Path, tokenizer_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was steered by the curriculum, and tested."""
    data = [*(f"--data.{split}={tones}" for split in ("train", "validate", "test")), "--data.sampler=CurriculumSampler"]
    length = ["--trainer.max_steps=96", "--data.batches_per_epoch=32"]
    return fit_once(tmp_path_factory, "steered", [f"--model.tokenizer={tokenizer_file}", *data, *length])


@pytest.fixture
def limited() -> Iterator[Callable[[int], None]]:
    """Let files grow to so many bytes only, as if the disk were full then."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writes then fail instead
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)
