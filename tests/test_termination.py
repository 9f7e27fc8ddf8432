"""Signals end a training with a checkpoint, all ranks together; lost ranks end the others; two trainings do not mix."""

import csv
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stt.cli.train import main
from stt.reports.run import Run
from tests.conftest import ROOT
from tests.processes import Forked, finished, started
from tests.recorder import recorded
from tests.test_resume import assert_same_end, last, options

pytestmark = pytest.mark.slow  # processes that start, train and end: a minute
TERMINATED = 128 + signal.SIGTERM


def signalled(number: int, at: int, rank: int = 0) -> list[str]:
    given = {"kill_at": at, "number": int(number), "rank": rank}
    return [f"--trainer.callbacks.{name}={value}" for name, value in given.items()]


def logged_steps(run: Path) -> list[int]:
    steps = []
    for log in sorted((run / "logs").glob("version_*/metrics.csv")):
        with log.open() as file:
            steps += [int(row["step"]) for row in csv.DictReader(file) if row.get("train/loss")]
    return steps


# In the middle of an epoch of three steps, at its last one, and at that of an epoch which is not due to be saved.
@pytest.mark.parametrize(("at", "epochs"), [(4, 1), (5, 1), (2, 2)])
def test_a_terminated_run_saves_and_is_resumed_by_the_same_command(
    at: int, epochs: int, fit_args: list[str], tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    long = ["--last_checkpoint.every_n_train_steps=null", f"--last_checkpoint.every_n_epochs={epochs}"]
    main([*fit_args, *options(whole), *long])
    again = [*fit_args, *options(parts), *long, "--ckpt_path=last"]
    process = Forked([*again, *signalled(signal.SIGTERM, at)])
    _, said = process.communicate(timeout=240)
    assert process.returncode == TERMINATED, said
    assert f"stopped by SIGTERM after step {at + 1}" in said
    assert sorted(recorded(parts)) == list(range(at + 2))  # the batch at whose start it exits is not trained on
    main(again)
    assert recorded(parts) == recorded(whole)
    assert_same_end(parts, whole)
    assert logged_steps(parts) == logged_steps(whole) == list(range(9))
    assert Run(parts, last(parts)).metrics()["val/cer/mean"] == Run(whole, last(whole)).metrics()["val/cer/mean"]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_signal_to_one_rank_ends_both_after_the_same_step(rank: int, fit_args: list[str], tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    long = ["--trainer.max_steps=12", "--data.batches_per_epoch=12"]
    finished(started([*fit_args, *options(whole, devices=2), *long]))
    again = [*fit_args, *options(parts, devices=2), *long, "--ckpt_path=last"]
    finished(started([*again, *signalled(signal.SIGTERM, 4, rank)]), code=TERMINATED)
    assert sorted(recorded(parts, 0)) == sorted(recorded(parts, 1)) == list(range(7))  # agreed on a step later
    finished(started(again))
    assert all(recorded(parts, one) == recorded(whole, one) for one in (0, 1))
    assert_same_end(parts, whole)


def test_a_lost_process_that_loads_data_ends_the_run_with_one_sentence(
    fit_args: list[str], tmp_path: Path, fails: Callable[..., str]
) -> None:
    killer = "--trainer.callbacks+=tests.recorder.WorkerKiller"
    said = fails(main, [*fit_args, *options(tmp_path / "run"), killer, "--data.num_workers=2"])
    assert "a process that loads data has died" in said
    assert "--ckpt_path last" in said


@pytest.mark.parametrize("rank", [0, 1])
def test_a_lost_rank_ends_the_other(rank: int, fit_args: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = started([*fit_args, *options(run, devices=2), *signalled(signal.SIGKILL, 4, rank)])
    _, said = process.communicate(timeout=60)  # waits for standard output, which the other rank shares
    assert process.returncode != 0, said
    assert not left_after(30, run)


def test_a_rank_that_has_not_met_the_others_yet_ends_with_rank_0(fit_args: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = started([*fit_args, *options(run, devices=2)])
    deadline = time.monotonic() + 60
    while len(processes_with(str(run))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.communicate(timeout=60)
    assert not left_after(30, run)


def left_after(seconds: float, run: Path) -> list[int]:
    deadline = time.monotonic() + seconds
    while (alive := processes_with(str(run))) and time.monotonic() < deadline:
        time.sleep(0.2)
    return alive


def processes_with(argument: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if argument.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it has ended meanwhile
            continue
    return found


def test_two_trainings_do_not_share_a_folder(fit_args: list[str], tmp_path: Path, fails: Callable[..., str]) -> None:
    run = tmp_path / "run"
    arguments = [*fit_args, *options(run), "--last_checkpoint.every_n_train_steps=null"]
    first = Forked([*arguments, "--trainer.max_steps=3000", "--data.batches_per_epoch=3000"])
    deadline = time.monotonic() + 120
    while not (run / "rank0.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "a training is running in this folder" in fails(main, arguments)
    first.terminate()
    finished(first, code=TERMINATED)


def test_what_is_trained_again_is_logged_once(fit_args: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    finished(Forked([*fit_args, *options(run, kill_at=5)]), code=-signal.SIGKILL)
    main([*fit_args, *options(run), "--ckpt_path=last"])
    assert logged_steps(run) == sorted(set(logged_steps(run)))
    assert logged_steps(run)[-1] == 8


def test_the_documented_exit_codes(tones: Path, fit_args: list[str], tmp_path: Path) -> None:
    page = (ROOT / "docs" / "reliability.md").read_text()
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    stop = [*options(tmp_path / "run"), *signalled(signal.SIGTERM, 1)]
    commands = {
        0: ["-m", "stt", "corpus", "stats", str(tones)],
        2: ["-m", "stt", "corpus", "stats", str(tmp_path / "missing.csv")],
        TERMINATED: ["train.py", *fit_args, *stop],
    }
    assert documented == set(commands)
    for code, command in commands.items():
        done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=240)
        assert done.returncode == code, done.stderr
        assert done.stderr.count("error: ") == (code == 2), done.stderr
