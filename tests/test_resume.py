"""Killed runs go on exactly; several processes train as one, however they are started."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from stt.cli import main
from stt.reports.run import Run
from tests.conftest import ROOT
from tests.recorder import recorded

CURRICULUM = "--data.sampling=stt.data.sampling.CurriculumSampling"
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "TORCHELASTIC"))}


def started(
    args: list[str], *, launcher: tuple[str, ...] = (), environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start train.py as a user does."""
    command = [sys.executable, *launcher, str(ROOT / "train.py"), *args]
    threads = {"OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=ROOT, env={**PLAIN, **threads, **(environment or {})}, stdout=pipe, stderr=pipe, text=True
    )


def finished(process: subprocess.Popen[str], code: int = 0) -> None:
    _, said = process.communicate(timeout=240)
    assert process.returncode == code, said


def options(run: Path, kill_at: int = -1, devices: int = 1) -> list[str]:
    run.mkdir(parents=True, exist_ok=True)
    return [
        f"--run={run}",
        CURRICULUM,
        "--trainer.max_steps=9",
        "--last.every_n_train_steps=2",
        "--model.augment.init_args.strength=0.5",
        "--model.encoder.init_args.dropout=0.2",
        "--trainer.callbacks+=tests.recorder.Recorder",
        f"--trainer.callbacks.folder={run}",
        f"--trainer.callbacks.kill_at={kill_at}",
        f"--trainer.devices={devices}",
        f"--trainer.strategy={'ddp' if devices > 1 else 'auto'}",
    ]


def last(run: Path) -> Path:
    return run / "checkpoints" / "last.ckpt"


def sampling_state(run: Path) -> dict[str, Any]:
    return dict(torch.load(last(run), weights_only=True)["SpeechDataModule"]["sampling"])


def assert_same_end(one: Path, other: Path) -> None:
    weights = [torch.load(last(run), weights_only=True)["state_dict"] for run in (one, other)]
    for name, values in weights[0].items():
        assert torch.equal(values, weights[1][name]), name
    states = [sampling_state(run) for run in (one, other)]
    for name, values in states[0]["ledger"].items():
        assert torch.equal(values.nan_to_num(-1), states[1]["ledger"][name].nan_to_num(-1)), name
    assert torch.equal(states[0]["suspects"], states[1]["suspects"])
    assert states[0]["controllers"] == states[1]["controllers"]


def test_a_run_killed_in_the_middle_of_a_round_goes_on_with_exactly_the_batches_that_were_left(
    fit_args: list[str], tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    workers = "--data.num_workers=2"
    main([*fit_args, *options(whole), workers])
    # Rounds have three steps; killed in the second round, a step after the last checkpoint.
    finished(started([*fit_args, *options(parts, kill_at=5), workers]), -signal.SIGKILL)
    assert sorted(recorded(parts)) == [0, 1, 2, 3, 4]
    main([*fit_args, *options(parts), workers, f"--ckpt_path={last(parts)}"])
    assert recorded(parts) == recorded(whole)
    assert_same_end(parts, whole)


def test_two_processes_killed_go_on_exactly_and_one_process_goes_on_with_their_ledger(
    fit_args: list[str], tones: Path, tmp_path: Path
) -> None:
    whole, parts, alone = tmp_path / "whole", tmp_path / "parts", tmp_path / "alone"
    finished(started([*fit_args, *options(whole, devices=2)]))
    killed = started([*fit_args, *options(parts, kill_at=5, devices=2)])
    finished(killed, -signal.SIGKILL)
    shutil.copytree(parts, alone)
    before = sampling_state(alone)["ledger"]["count"].sum()
    finished(started([*fit_args, *options(parts, devices=2), f"--ckpt_path={last(parts)}"]))
    for rank in (0, 1):
        assert recorded(parts, rank) == recorded(whole, rank)
    assert_same_end(parts, whole)
    assert 0 < Run(whole, last(whole)).metrics()["data/rank_cost_spread"][0][1] < 0.5

    main(["test", f"--ckpt_path={last(alone)}", f"--data.test={tones}", f"--run={tmp_path / 'test'}"])
    main([*fit_args, *options(alone), f"--ckpt_path={last(alone)}"])
    rows = recorded(alone)
    assert sorted(rows) == list(range(9))
    # Step 3 of the open round counts as the two ranks saw it; then come two batches of the next round. The last
    # checkpoint is that of step 8, in the round after.
    seen = {row for rank in (0, 1) for row in recorded(whole, rank)[3]}
    after = sampling_state(alone)["ledger"]["count"].sum()
    assert after - before == len(seen) + len(set(rows[4] + rows[5]))


def test_a_run_goes_on_with_another_manifest_in_the_middle_of_a_round(
    fit_args: list[str], tones: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    main([*fit_args, *options(run), "--trainer.max_steps=4"])
    # Half of the utterances, in another order, as after cleaning the data.
    fewer = tones.with_name("fewer.jsonl")
    fewer.write_text("\n".join(tones.read_text().splitlines()[:60][::-1]) + "\n")
    main([*fit_args, *options(run), f"--data.train={fewer}", f"--ckpt_path={last(run)}"])
    assert sorted(recorded(run)) == list(range(9))
    assert max(row for step in range(4, 9) for row in recorded(run)[step]) < 60
    count = sampling_state(run)["ledger"]["count"].numpy()
    assert len(count) == 60
    of_the_first_round = {59 - row for step in range(3) for row in recorded(run)[step] if row < 60}
    assert (count[sorted(of_the_first_round)] > 0).all()


def test_two_processes_give_the_metrics_of_one(trained: Path, tones: Path, tmp_path: Path) -> None:
    results = {}
    for devices, strategy in ((1, "auto"), (2, "ddp")):
        run = tmp_path / str(devices)
        finished(
            started(
                [
                    "test",
                    f"--ckpt_path={trained / 'checkpoints' / 'best.ckpt'}",
                    f"--data.test={tones}",
                    "--data.num_workers=0",
                    "--trainer.accelerator=cpu",
                    f"--trainer.devices={devices}",
                    f"--trainer.strategy={strategy}",
                    f"--run={run}",
                ]
            )
        )
        results[devices] = json.loads((run / "test_metrics.json").read_text())
    assert results[1] == results[2]


def test_two_processes_train_together(fit_args: list[str], tmp_path: Path) -> None:
    finished(started([*fit_args, "--trainer.devices=2", "--trainer.strategy=ddp", CURRICULUM]))
    state = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert state["global_step"] == 6
    assert Run(tmp_path / "run", last(tmp_path / "run")).metrics()["val/cer/mean"]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def preset(name: str, nodes: int) -> list[str]:
    """A preset for GPUs, on as many machines with one CPU process each."""
    return [
        f"--config={ROOT / 'configs' / 'presets' / name}.yaml",
        f"--trainer.num_nodes={nodes}",
        "--trainer.accelerator=cpu",
        "--trainer.devices=1",
        "--data.max_batch_seconds=12",
        "--data.num_workers=0",
    ]


def test_machines_started_by_torchrun_train_together(fit_args: list[str], tmp_path: Path) -> None:
    endpoint = f"--rdzv_endpoint=127.0.0.1:{free_port()}"
    processes = []
    for _ in range(2):
        launcher = (
            "-m",
            "torch.distributed.run",
            "--nnodes=2",
            "--nproc_per_node=1",
            "--rdzv_backend=c10d",
            endpoint,
            "--",
        )
        processes.append(started([*fit_args, *preset("torchrun", 2), CURRICULUM], launcher=launcher))
    for process in processes:
        finished(process)
    assert torch.load(last(tmp_path / "run"), weights_only=True)["global_step"] == 6
    assert len(torch.load(last(tmp_path / "run"), weights_only=True)["callbacks"]["Observations"]["ranks"]) == 2


def test_tasks_started_by_slurm_train_together(fit_args: list[str], tmp_path: Path) -> None:
    common = {
        "SLURM_JOB_ID": "17",
        "SLURM_JOB_NAME": "train",
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "1",
        "SLURM_NODELIST": "127.0.0.1",
        "SLURM_LOCALID": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
    }
    processes = [
        started(
            [*fit_args, *preset("slurm", 2), CURRICULUM],
            environment={**common, "SLURM_PROCID": str(i), "SLURM_NODEID": str(i)},
        )
        for i in range(2)
    ]
    for process in processes:
        finished(process)
    assert torch.load(last(tmp_path / "run"), weights_only=True)["global_step"] == 6


@pytest.mark.parametrize("variable", ["TORCHELASTIC_RUN_ID", "SLURM_JOB_ID"])
def test_processes_that_others_start_need_a_run_folder_to_agree_on(
    variable: str, fit_args: list[str], monkeypatch: pytest.MonkeyPatch, fails: Any
) -> None:
    monkeypatch.setenv(variable, "17")
    assert "give --run" in fails(main, [arg for arg in fit_args if not arg.startswith("--run=")])
