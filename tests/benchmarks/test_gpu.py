import json
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gpu_pieces
import pytest
import yaml
from ablation import Budget, Variant
from gpu import main
from gpu_bundle import write_corpus
from gpu_pieces import Piece, Work, do

from stt.errors import InputError
from stt.training.subprocesses import Deadline, OutOfTime
from tests import conftest
from tests.conftest import MICRO, made_once
from tests.test_resume import assert_same_end

SMALL_BATCHES = "--data.max_batch_seconds=12"
PEOPLE = {"high": ("9", "f"), "low": ("40", "m")}


def kaldi(folder: Path) -> Path:
    """Write tones as a corpus with the layout of speechocean762."""
    for split, count in (("train", 60), ("dev", 12)):
        data, audio = folder / split, f"audio_{split}"
        manifest = conftest.write_corpus(folder / audio, count, seed=count)
        rows = [json.loads(line) for line in manifest.read_text().splitlines()]
        manifest.unlink()
        data.mkdir()
        tables = {
            "text": [f"{split}{i} {row['text']}" for i, row in enumerate(rows)],
            "wav.scp": [f"{split}{i} {audio}/{row['audio']}" for i, row in enumerate(rows)],
            "utt2spk": [f"{split}{i} {row['domain']}" for i, row in enumerate(rows)],
            "spk2age": [f"{name} {age}" for name, (age, _) in PEOPLE.items()],
            "spk2gender": [f"{name} {gender}" for name, (_, gender) in PEOPLE.items()],
        }
        for name, lines in tables.items():
            (data / name).write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of a bundle, without wheels, and away from the corpus that it was made of."""

    def make(folder: Path) -> None:
        source = kaldi(folder / "source")
        write_corpus(source, folder / "before", pieces=8)
        (folder / "before").rename(folder / "bundle")
        source.rename(folder / "gone")

    return made_once(tmp_path_factory, "gpu", make) / "bundle"


@pytest.fixture
def measure(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Run a command of the measurements; gives its report."""
    monkeypatch.setenv("PYTHONPATH", "")  # restored afterwards
    variants = tmp_path / "variants.yaml"
    variants.write_text(yaml.safe_dump([{"name": "micro", "change": "pieces", "config": str(MICRO)}]))

    def run(work: str, *options: str) -> dict[str, Any]:
        out = tmp_path / f"{work}.json"
        where = [f"--data={bundle}", f"--work={tmp_path / work}", f"--out={out}"]
        small = [f"--model={MICRO}", f"--variants={variants}", "--steps=8", "--points=2"]
        main([*where, *small, "--trainer.accelerator=cpu", "--data.num_workers=0", *options])
        report: dict[str, Any] = json.loads(out.read_text()) if out.exists() else {}
        return report

    return run


@pytest.mark.slow
def test_interrupted_pieces_are_resumed_and_end_like_uninterrupted_ones(
    measure: Callable[..., dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = ["--trainer.callbacks+=tests.recorder.Recorder", f"--trainer.callbacks.folder={tmp_path}"]
    stop = ["--trainer.callbacks.kill_at=5", f"--trainer.callbacks.number={int(signal.SIGTERM)}"]
    ablation = ["--parts", "ablation", SMALL_BATCHES, *record]
    assert measure("parts", *ablation, *stop) == {}
    assert "left: ablation/micro" in capsys.readouterr().out
    parts = measure("parts", *ablation)
    assert "nothing is left" in capsys.readouterr().out
    whole = measure("whole", *ablation)
    assert_same_end(tmp_path / "parts" / "ablation" / "micro", tmp_path / "whole" / "ablation" / "micro")
    assert parts["ablation"][0]["cer"] == whole["ablation"][0]["cer"]
    assert len(parts["ablation"][0]["cer"]) == 2
    assert measure("parts", *ablation)["ablation"] == parts["ablation"], "nothing is repeated"


@pytest.mark.slow
def test_a_failure_is_reported_and_the_other_pieces_are_done(
    measure: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_pieces, "BATCH_SECONDS", (-1, 12))
    monkeypatch.setattr(gpu_pieces, "COMPILE", ("false",))
    monkeypatch.setattr(gpu_pieces, "STEPS", 2)
    monkeypatch.setattr(gpu_pieces, "WARMUP", 1)
    report = measure("work", "--parts", "speed")
    assert [one["steps"] for one in report["speed"]] == [2]
    assert report["speed"][0]["precision"] == "bf16-mixed"
    assert list(report["failed"]) == ["speed/-1_s"]
    assert "failed: speed/-1_s" in capsys.readouterr().out


@pytest.mark.slow
def test_the_curriculum_is_compared_after_the_same_number_of_steps(measure: Callable[..., dict[str, Any]]) -> None:
    report = measure("work", "--parts", "curriculum", SMALL_BATCHES)
    assert [one["name"] for one in report["curriculum"]] == ["uniform", "curriculum"]
    assert [one["steps"] for one in report["curriculum"]] == [8, 8]


@pytest.mark.parametrize("part", ["ablation", "curriculum"])
def test_the_preset_comes_before_what_a_study_sets_and_the_users_options_after(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []
    monkeypatch.setattr(gpu_pieces, "train_variant", lambda *arguments: given.extend(arguments[4]) or {})
    variants = [Variant("micro", "", str(MICRO))]
    Work(tmp_path, tmp_path, MICRO, variants, Budget(steps=1), ["--mine"]).pieces([part])[0].do(Deadline())
    assert given.index(gpu_pieces.PRESET[0]) < given.index("--data.max_batch_seconds=160") < given.index("--mine")


def piece(folder: Path, action: Callable[[Deadline], dict[str, Any]]) -> Piece:
    return Piece("part", folder.name, folder, action)


def stopped(deadline: Deadline, saves: Path | None = None) -> dict[str, Any]:
    if saves:
        saves.mkdir()
        (saves / "plan.json").write_text("{}")
    raise OutOfTime("stopped")


def test_a_piece_for_which_a_whole_command_does_not_suffice_is_not_tried_for_ever(tmp_path: Path) -> None:
    over = Deadline(time.monotonic())
    saving = piece(tmp_path / "saving", partial(stopped, saves=tmp_path / "saving"))
    assert not list(do([saving], over)), "it goes on with the next command"
    assert not saving.result.exists()
    hopeless = piece(tmp_path / "hopeless", stopped)
    assert list(do([hopeless], over)) == [hopeless]
    assert "did not suffice" in json.loads(hopeless.result.read_text())["failed"]


def test_no_piece_is_started_shortly_before_the_deadline(tmp_path: Path) -> None:
    pieces = [piece(tmp_path / name, lambda deadline: {}) for name in "abc"]
    assert list(do(pieces, Deadline(time.monotonic() + 1))) == pieces[:1]
    assert list(do(pieces, Deadline())) == pieces[1:]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data=nowhere"], "make gpu-bundle"),
        (["--seconds=9", "--steps=9"], "budget"),
        (["--variant=tinny"], "tinny"),
        (["--variants=nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_invalid_options_are_reported(
    options: list[str], message: str, bundle: Path, tmp_path: Path, fails: Callable[..., str]
) -> None:
    assert message in fails(main, [f"--data={bundle}", f"--work={tmp_path / 'work'}", *options])


def test_a_source_without_the_corpus_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="speechocean762"):
        write_corpus(tmp_path / "speechocean762", tmp_path / "out")
