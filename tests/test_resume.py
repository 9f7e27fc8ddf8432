"""Killed runs go on exactly; several processes train as one, however they are started."""

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stt.cli.train import main
from stt.reports.run import Run
from tests.conftest import ROOT
from tests.processes import Forked, finished, forked_ranks, free_port, started
from tests.recorder import recorded

CURRICULUM = "--data.sampler=stt.sampling.CurriculumSampler"


def options(run: Path, kill_at: int = -1, devices: int = 1) -> list[str]:
    run.mkdir(parents=True, exist_ok=True)
    return [
        f"--run={run}",
        CURRICULUM,
        "--trainer.max_steps=9",
        "--last_checkpoint.every_n_train_steps=2",
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


def sampler_state(run: Path) -> dict[str, Any]:
    return dict(torch.load(last(run), weights_only=True)["SpeechDataModule"]["stream"]["sampler"])


def assert_same_end(one: Path, other: Path) -> None:
    weights = [torch.load(last(run), weights_only=True)["state_dict"] for run in (one, other)]
    for name, values in weights[0].items():
        assert torch.equal(values, weights[1][name]), name
    states = [sampler_state(run) for run in (one, other)]
    if "ledger" not in states[0]:
        assert states[0]["taken"] == states[1]["taken"]
        return
    for name, values in states[0]["ledger"].items():
        assert torch.equal(values.nan_to_num(-1), states[1]["ledger"][name].nan_to_num(-1)), name
    assert torch.equal(states[0]["label_errors"], states[1]["label_errors"])
    assert states[0]["controllers"] == states[1]["controllers"]


def test_a_run_killed_in_the_middle_of_an_epoch_goes_on_with_exactly_the_batches_that_were_left(
    fit_args: list[str], tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    workers = "--data.num_workers=2"
    main([*fit_args, *options(whole), workers])
    # Epochs have three steps; killed in the second epoch, a step after the last checkpoint.
    finished(started([*fit_args, *options(parts, kill_at=5), workers]), code=-signal.SIGKILL)
    assert sorted(recorded(parts)) == [0, 1, 2, 3, 4]
    main([*fit_args, *options(parts), workers, f"--ckpt_path={last(parts)}"])
    assert recorded(parts) == recorded(whole)
    assert_same_end(parts, whole)


def test_half_a_row_in_the_log_of_a_killed_run_does_no_harm(fit_args: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    main([*fit_args, *options(run), "--trainer.max_steps=6"])
    log = next((run / "logs").glob("*/metrics.csv"))
    whole = log.read_text()
    log.write_text(whole + "0.5,0.25")
    main([*fit_args, *options(run), f"--ckpt_path={last(run)}"])
    assert log.read_text() == whole.replace("\n", "\r\n") or log.read_text().split() == whole.split()


# The curriculum's third window, from step 46 on, is the first that is planned with observations.
@pytest.mark.parametrize(("sampler", "last_step"), [("UniformSampler", 30), ("CurriculumSampler", 60)])
def test_how_often_one_validates_changes_no_weight(
    sampler: str, last_step: int, fit_args: list[str], tmp_path: Path
) -> None:
    runs = []
    for every, workers in ((last_step // 3, 0), (last_step // 2, 2), (last_step, 0)):
        runs.append(tmp_path / f"{every}")
        steps = [
            f"--data.batches_per_epoch={every}",
            f"--data.num_workers={workers}",
            f"--trainer.max_steps={last_step}",
        ]
        steps.append("--last_checkpoint.every_n_train_steps=null")
        main([*fit_args, *options(runs[-1]), *steps, f"--data.sampler=stt.sampling.{sampler}"])
    for run in runs[1:]:
        assert recorded(run) == recorded(runs[0])
        assert_same_end(run, runs[0])


def test_accumulated_gradients_are_of_the_same_batches_however_often_one_validates(
    fit_args: list[str], tmp_path: Path
) -> None:
    runs = []
    for every in (4, 12):
        runs.append(tmp_path / f"{every}")
        steps = [f"--data.batches_per_epoch={every}", "--trainer.accumulate_grad_batches=2", "--trainer.max_steps=6"]
        main([*fit_args, *options(runs[-1]), *steps])
    assert_same_end(*runs)


def test_a_run_killed_anywhere_goes_on_from_whichever_checkpoint_there_is(fit_args: list[str], tmp_path: Path) -> None:
    # Checkpoints are written every six steps: in the middle of epochs, and at their ends. The curriculum learns for
    # the first time after some twenty steps.
    steps = ["--trainer.max_steps=72", "--data.batches_per_epoch=9", "--last_checkpoint.every_n_train_steps=6"]
    whole = tmp_path / "whole"
    main([*fit_args, *options(whole), *steps])
    parts = tmp_path / "parts"
    for kill_at in (9, 19, 44):
        killed = Forked([*fit_args, *options(parts, kill_at=kill_at), *steps, "--ckpt_path=last"])
        finished(killed, code=-signal.SIGKILL)
    main([*fit_args, *options(parts), *steps, "--ckpt_path=last"])
    assert recorded(parts) == recorded(whole)
    assert_same_end(parts, whole)


def test_two_processes_killed_go_on_exactly_and_one_process_goes_on_with_their_ledger(
    fit_args: list[str], tones: Path, tmp_path: Path
) -> None:
    whole, parts, alone = tmp_path / "whole", tmp_path / "parts", tmp_path / "alone"
    steps = ["--trainer.max_steps=60", "--last_checkpoint.every_n_train_steps=4"]
    finished(*forked_ranks([*fit_args, *options(whole, devices=2), *steps, "--data.batches_per_epoch=30"]))
    killed = forked_ranks([*fit_args, *options(parts, kill_at=45, devices=2), *steps, "--data.batches_per_epoch=20"])
    finished(*killed, code=-signal.SIGKILL)
    shutil.copytree(parts, alone, ignore=shutil.ignore_patterns("wandb"))
    finished(*forked_ranks([*fit_args, *options(parts, devices=2), *steps, f"--ckpt_path={last(parts)}"]))
    for rank in (0, 1):
        assert recorded(parts, rank) == recorded(whole, rank)
    assert_same_end(parts, whole)
    assert sampler_state(whole)["ledger"]["count"].any()
    assert Run(whole, last(whole)).metrics()["val/cer/mean"]
    assert 0 < Run(whole, last(whole)).metrics()["data/rank_cost_spread"][0][1] < 0.5

    main(["test", f"--ckpt_path={last(alone)}", f"--data.test={tones}", f"--run={tmp_path / 'test'}"])
    main([*fit_args, *options(alone), *steps, "--trainer.max_steps=90", f"--ckpt_path={last(alone)}"])
    rows = recorded(alone)
    assert sorted(rows) == list(range(90))
    # The sampler learns of what the two ranks saw in the 44 steps of the checkpoint, as well as of what came after.
    state = torch.load(last(alone), weights_only=True)["SpeechDataModule"]["stream"]
    seen = {row for rank in (0, 1) for step in range(44) for row in recorded(whole, rank)[step]}
    seen |= {row for step in range(44, state["applied"]) for row in rows[step]}
    assert state["applied"] > 44
    assert set(np.flatnonzero(sampler_state(alone)["ledger"]["count"].numpy()).tolist()) == seen


def test_a_run_goes_on_with_another_manifest_in_the_middle_of_a_window(
    fit_args: list[str], tones: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    main([*fit_args, *options(run), "--trainer.max_steps=4"])
    # Half of the utterances, in another order, as after cleaning the data.
    fewer = tones.with_name("fewer.jsonl")
    fewer.write_text("\n".join(tones.read_text().splitlines()[:60][::-1]) + "\n")
    main([*fit_args, *options(run), f"--data.train={fewer}", "--trainer.max_steps=30", f"--ckpt_path={last(run)}"])
    assert sorted(recorded(run)) == list(range(30))
    assert max(row for step in range(4, 30) for row in recorded(run)[step]) < 60
    count = sampler_state(run)["ledger"]["count"].numpy()
    assert len(count) == 60
    of_the_first_steps = {59 - row for step in range(4) for row in recorded(run)[step] if row < 60}
    assert (count[sorted(of_the_first_steps)] > 0).all()


def test_two_processes_give_the_metrics_of_one(trained: Path, tones: Path, tmp_path: Path) -> None:
    results = {}
    for devices in (1, 2):
        run = tmp_path / str(devices)
        args = [
            "test",
            f"--ckpt_path={trained / 'checkpoints' / 'best.ckpt'}",
            f"--data.test={tones}",
            "--data.num_workers=0",
            "--trainer.accelerator=cpu",
            f"--trainer.devices={devices}",
            f"--run={run}",
        ]
        if devices == 1:
            main(args)
        else:
            finished(*forked_ranks([*args, "--trainer.strategy=ddp"]))
        results[devices] = json.loads((run / "test_metrics.json").read_text())
    assert results[1] == results[2]


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
    finished(*processes)
    assert torch.load(last(tmp_path / "run"), weights_only=True)["global_step"] == 6
    pending = torch.load(last(tmp_path / "run"), weights_only=True)["SpeechDataModule"]["stream"]["pending"]
    assert set(pending["ranks"].tolist()) == {0, 1}


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
        Forked(
            [*fit_args, *preset("slurm", 2), CURRICULUM],
            environment={**common, "SLURM_PROCID": str(i), "SLURM_NODEID": str(i)},
        )
        for i in range(2)
    ]
    finished(*processes)
    assert torch.load(last(tmp_path / "run"), weights_only=True)["global_step"] == 6


@pytest.mark.parametrize("variable", ["TORCHELASTIC_RUN_ID", "SLURM_JOB_ID"])
def test_processes_that_others_start_need_a_run_folder_to_agree_on(
    variable: str, fit_args: list[str], monkeypatch: pytest.MonkeyPatch, fails: Any
) -> None:
    monkeypatch.setenv(variable, "17")
    assert "give --run" in fails(main, [arg for arg in fit_args if not arg.startswith("--run=")])
