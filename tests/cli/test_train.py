import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from stt.cli.main import main as stt
from stt.cli.train import main
from tests.conftest import ROOT, write_corpus
from tests.processes import finished, started


def metrics(run: Path, version: int = 0) -> list[dict[str, str]]:
    with (run / "logs" / f"version_{version}" / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_everything_in_its_folder(trained: Path) -> None:
    for name in ("config.yaml", "checkpoints/best.ckpt", "checkpoints/last.ckpt", "logs/version_0/metrics.csv"):
        assert (trained / name).is_file(), name
    assert list((trained / "wandb").glob("offline-run-*"))
    assert len(list((trained / "transcripts").glob("step-*.txt"))) == 4
    config = yaml.safe_load((trained / "config.yaml").read_text())
    assert config["data"]["batches_per_epoch"] == 75
    for name, step in (("best", None), ("last", 300)):
        saved = torch.load(trained / "checkpoints" / f"{name}.ckpt", weights_only=True)
        assert step in (None, saved["global_step"])
    logged = metrics(trained)
    last = [row for row in logged if row["val/cer/mean"]][-1]
    assert float(last["val/cer/mean"]) < 0.02
    assert float(last["val/cer/mean"]) == pytest.approx((float(last["val/cer/high"]) + float(last["val/cer/low"])) / 2)
    names = ("train/loss", "clip/norm", "clip/time_share", "clip/share_clipped", "data/skipped", "lr/pg1")
    for name in (*names, "progress/audio_hours", "throughput/waiting_for_data"):
        assert any(row.get(name) for row in logged), name


def test_a_test_writes_its_results_by_domain(
    trained: Path, tones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_corpus(tmp_path / "other", 6, seed=9, domains=("high", "new"))
    checkpoint = trained / "checkpoints" / "best.ckpt"
    run = f"--run={tmp_path / 'run'}"
    main(["test", f"--ckpt_path={checkpoint}", f"--data.test={other}", "--data.num_workers=0", run])
    results = json.loads((tmp_path / "run" / "test_metrics.json").read_text())
    assert results["normalizer"] == "plain-1"
    assert {name: rate["in_training"] for name, rate in results["domains"].items()} == {"high": True, "new": False}
    assert set(results["domains"]["new"]) == {"cer", "wer", "utterances", "hours", "skipped", "in_training"}
    assert results["domains"]["new"]["utterances"] == 3
    mean = sum(rate["cer"] for rate in results["domains"].values()) / 2
    assert results["mean"]["cer"] == pytest.approx(mean)
    assert results["out_of_domain"]["cer"] == results["domains"]["new"]["cer"]
    assert "out of domain" in capsys.readouterr().out


def test_a_test_manifest_is_tested_after_training(fit_args: list[str], tones: Path, tmp_path: Path) -> None:
    main([*fit_args, f"--data.test={tones}"])
    results = json.loads((tmp_path / "run" / "test_metrics.json").read_text())
    assert {rate["in_training"] for rate in results["domains"].values()} == {True}
    assert sum(rate["utterances"] for rate in results["domains"].values()) == 120


def test_predictions_are_in_manifest_order_and_include_errors(trained: Path, tmp_path: Path) -> None:
    manifest = write_corpus(tmp_path / "p", 5, seed=3)
    (tmp_path / "p" / "2.wav").write_bytes(b"broken")
    main(
        [
            "predict",
            f"--ckpt_path={trained / 'checkpoints' / 'best.ckpt'}",
            f"--data.predict={manifest}",
            f"--run={tmp_path / 'run'}",
            "--data.num_workers=0",
            "--data.max_skipped_share=0.5",
        ]
    )
    lines = [json.loads(line) for line in (tmp_path / "run" / "predictions.jsonl").read_text().splitlines()]
    assert [line["row"] for line in lines] == [1, 2, 3, 4, 5]
    assert "2.wav" in lines[2]["error"]
    assert all("confidence" in line for line in lines if "error" not in line)


@pytest.mark.slow
def test_two_ranks_predict_every_row_once_with_its_confidence(trained: Path, tmp_path: Path) -> None:
    manifest = write_corpus(tmp_path / "p", 120, seed=3)
    model = f"--ckpt_path={trained / 'checkpoints' / 'best.ckpt'}"
    data = [f"--data.predict={manifest}", "--data.max_batch_seconds=10", "--data.num_workers=0"]
    ranks = ["--trainer.devices=2", "--trainer.strategy=ddp"]
    finished(started(["predict", model, *data, f"--run={tmp_path / 'run'}", *ranks]))
    files = sorted((tmp_path / "run").glob("predictions*.jsonl"))
    parts = [[json.loads(line) for line in path.read_text().splitlines()] for path in files]
    assert len(parts) == 2
    assert all(parts)
    assert sorted(line["row"] for part in parts for line in part) == list(range(1, 121))
    assert all(0 < line["confidence"] <= 1 for part in parts for line in part)


def test_a_file_that_breaks_after_import_is_skipped_and_listed(
    fit_args: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = write_corpus(tmp_path / "c", 12, seed=1)
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    (tmp_path / "c" / "3.wav").write_bytes(b"broken")
    (tmp_path / "c" / "4.wav").unlink()
    lines[5]["duration"] = 99.0
    lines[6]["text"] = "xyz"
    lines[7]["text"] = "abcde" * 20
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    main([*fit_args, f"--data.train={manifest}", f"--data.validate={manifest}", "--data.max_skipped_share=0.5"])
    assert "1 for not alignable" in caplog.text
    assert "listed in the run's skipped.csv); `stt corpus feasibility` shows which vocabulary fits" in caplog.text
    assert "skipped utterances" in capsys.readouterr().out
    with (tmp_path / "run" / "skipped.csv").open() as file:
        skipped = {(row["split"], row["utterance"]): (row["row"], row["kind"]) for row in csv.DictReader(file)}
    assert skipped == {
        ("train", "3.wav"): ("4", "unreadable audio"),
        ("train", "4.wav"): ("5", "unreadable audio"),
        ("train", "5.wav"): ("6", "duration"),
        ("train", "6.wav"): ("7", "unusable text"),
        ("train", "7.wav"): ("8", "not alignable"),
        ("validate", "3.wav"): ("4", "unreadable audio"),
        ("validate", "4.wav"): ("5", "unreadable audio"),
        ("validate", "5.wav"): ("6", "wrong duration"),
    }
    last = [row for row in metrics(tmp_path / "run") if row["val/skipped"]][-1]
    assert [last[f"val/skipped{domain}"] for domain in ("", "/high", "/low")] == ["3.0", "1.0", "2.0"]


@pytest.mark.parametrize("sampler", ["UniformSampler", "CurriculumSampler"])
def test_a_resumed_run_equals_an_uninterrupted_one(fit_args: list[str], tmp_path: Path, sampler: str) -> None:
    def weights(run: str) -> dict[str, torch.Tensor]:
        return torch.load(tmp_path / run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]

    mid = ["--last_checkpoint.every_n_train_steps=1", f"--data.sampler=stt.sampling.{sampler}", "--trainer.max_steps=9"]
    mid += [
        "--model.augment.init_args.strength=0.5",
        "--model.encoder.init_args.dropout=0.2",
    ]  # randomness that must be restored
    main([*fit_args, f"--run={tmp_path / 'whole'}", *mid])
    # Stopped in the middle of the second epoch of three batches, then resumed until the end of the third.
    main([*fit_args, f"--run={tmp_path / 'parts'}", *mid, "--trainer.max_steps=4"])
    checkpoint = tmp_path / "parts" / "checkpoints" / "last.ckpt"
    main([*fit_args, f"--run={tmp_path / 'parts'}", *mid, f"--ckpt_path={checkpoint}"])
    whole, parts = weights("whole"), weights("parts")
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, atol=1e-6, rtol=1e-5, msg=name)
    assert len([row for row in metrics(tmp_path / "parts", 1) if row["train/loss"]]) == 5


def test_a_run_resumed_from_its_best_checkpoint_equals_an_uninterrupted_one(
    fit_args: list[str], tmp_path: Path
) -> None:
    # The best checkpoint is written by the validation, between an epoch's last batch and its end.
    options = ["--data.sampler=stt.sampling.CurriculumSampler", "--data.batches_per_epoch=36"]
    options.append(
        "--model.lr_scheduler.warmup_steps=1000"
    )  # so that the learning rate does not depend on when training ends
    main([*fit_args, *options, "--trainer.max_steps=36"])
    checkpoint = tmp_path / "run" / "checkpoints" / "best.ckpt"
    saved = torch.load(checkpoint, weights_only=True)["SpeechDataModule"]["stream"]
    assert len(saved["pending"]["rows"])
    options.append("--trainer.max_steps=72")
    for run, more in (("again", [f"--ckpt_path={checkpoint}"]), ("whole", [])):
        main([*fit_args, *options, f"--run={tmp_path / run}", *more])
    last = {}
    for run in ("again", "whole"):
        rows = [row for row in metrics(tmp_path / run) if row.get("curriculum/observed_cer/low")]
        last[run] = {name: value for name, value in rows[-1].items() if name.startswith("curriculum/")}
    assert last["again"] == last["whole"]


@pytest.mark.parametrize(
    "options",
    [
        ["--trainer.precision=bf16-mixed"],
        ["--trainer.accumulate_grad_batches=2", "--trainer.max_steps=3"],
        ["--model.optimizer=torch.optim.SGD", "--model.optimizer.lr=0.1", "--model.optimizer.momentum=0.9"],
        ["--clip=stt.training.callbacks.PercentileClipping", "--clip.percentile=80"],
        ["--data.domain_weights={low: 3}"],
        ["--data.sampler.target_by_domain={low: 0.05}"],
    ],
    ids=lambda options: options[0].lstrip("-"),
)
def test_common_options_train(fit_args: list[str], tmp_path: Path, options: list[str]) -> None:
    main([*fit_args, *options])
    losses = [float(row["train/loss"]) for row in metrics(tmp_path / "run") if row["train/loss"]]
    assert all(0 < loss < 100 for loss in losses)
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").is_file()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--data.train=none.jsonl"], "manifest not found"),
        (["--data.test=none.jsonl"], "manifest not found"),
        (["--model.tokenizer=none.model"], "tokenizer not found"),
        (["--model.normalizer=klingon"], "unknown normalizer 'klingon'"),
        (["--data.domain_weights={mars: 2}"], "unknown domains ['mars']"),
        (["--data.max_batch_seconds=0.5"], "can be trained on"),
        (["--data.sampler=stt.sampling.CurriculumSampler", "--data.sampler.target_cer=1"], "between 0 and 1"),
        (
            ["--data.sampler=stt.sampling.CurriculumSampler", "--data.sampler.target_by_domain={mars: 0.1}"],
            "unknown domains ['mars']",
        ),
        (["--ckpt_path=none.ckpt"], "checkpoint not found"),
        (["--model.augment.init_args.strength=7"], "strength"),
        (["--data.nonsense=1"], "nonsense"),
        (["--data.batches_per_epoch=0"], "--data.batches_per_epoch 0: it must be between 1 and"),
        (["--data.batches_per_epoch=99999999999999999999"], "it must be between 1 and"),
        (["--data.num_workers=-1"], "--data.num_workers -1: it must be between 0 and 256"),
        (["--data.max_batch_seconds=-5"], "--data.max_batch_seconds -5: it must be between 0.1 and 1e+09"),
        (["--data.max_skipped_share=1.5"], "it must be between 0 and 1"),
    ],
)
def test_bad_input_exits_with_a_message_and_code_2(
    fit_args: list[str], fails: Callable[..., str], args: list[str], message: str
) -> None:
    assert message in fails(main, [*fit_args, *args])


def test_testing_without_a_checkpoint_or_manifest_names_the_missing_option(
    trained: Path, fails: Callable[..., str]
) -> None:
    assert "give --ckpt_path" in fails(main, ["test"])
    assert "give --data.test" in fails(main, ["test", f"--ckpt_path={trained / 'checkpoints' / 'best.ckpt'}"])


def test_a_given_logger_is_added_to_the_run_loggers_and_false_disables_all(
    fit_args: list[str], tmp_path: Path, offline_wandb: None
) -> None:
    given = ["--trainer.logger=lightning.pytorch.loggers.CSVLogger", f"--trainer.logger.save_dir={tmp_path / 'given'}"]
    main([*fit_args, *given])
    run = tmp_path / "run"
    assert any(row["val/cer/mean"] for row in metrics(run))
    assert (tmp_path / "given" / "lightning_logs" / "version_0" / "metrics.csv").is_file()
    assert list((run / "wandb").glob("offline-run-*"))
    with pytest.raises(SystemExit) as done:
        stt(["report", str(run), "--out", str(tmp_path / "report.html")])
    assert done.value.code == 0
    main([*fit_args, "--trainer.logger=false", f"--run={tmp_path / 'none'}"])
    assert not (tmp_path / "none" / "logs").exists()


def test_a_run_folder_is_never_overwritten(trained: Path, fit_args: list[str], fails: Callable[..., str]) -> None:
    assert "already holds a run" in fails(main, [*fit_args, f"--run={trained}"])


def test_a_checkpoint_brings_its_own_tokenizer(
    trained: Path, fit_args: list[str], tmp_path: Path, fails: Callable[..., str]
) -> None:
    from stt.text.tokenizer import train_tokenizer

    other = tmp_path / "other.model"
    other.write_bytes(train_tokenizer(["ed cb", "ba dc", "e a"] * 3, 8).model)
    checkpoint = trained / "checkpoints" / "last.ckpt"
    # The checkpoint's own tokenizer wins over the one named on the command line.
    args = ["test", f"--ckpt_path={checkpoint}", f"--model.tokenizer={other}", f"--run={tmp_path / 'r'}"]
    main([*args, f"--data.test={next(a for a in fit_args if 'data.train' in a).split('=')[1]}", "--data.num_workers=0"])
    assert json.loads((tmp_path / "r" / "test_metrics.json").read_text())["mean"]["cer"] < 0.05


def test_resuming_with_another_optimizer_is_refused(
    trained: Path, fit_args: list[str], fails: Callable[..., str]
) -> None:
    options = [f"--ckpt_path={trained / 'checkpoints' / 'last.ckpt'}", "--trainer.max_steps=300"]
    error = fails(main, [*fit_args, *options, "--model.optimizer=torch.optim.SGD", "--model.optimizer.lr=0.1"])
    assert "a different optimizer, not SGD: resume with the configuration of the original run" in error


def test_training_learns_real_digits(real_speech: Path, tmp_path: Path) -> None:
    source = str(real_speech / "fsdd" / "recordings")
    for split, strings in (("train", 400), ("validate", 15)):
        args = ["corpus", "import", "fsdd", source, "--out", f"{tmp_path}/{split}.parquet", "--split", split]
        with pytest.raises(SystemExit):
            stt([*args, "--strings", str(strings), "--max-digits", "3"])
    with pytest.raises(SystemExit):
        stt(["tokenizer", "train", f"{tmp_path}/train.parquet", "--out", f"{tmp_path}/t.model", "--pieces", "32"])
    main(
        [
            "fit",
            f"--config={ROOT / 'configs' / 'model' / 'tiny.yaml'}",
            "--model.features.sample_rate=8000",
            f"--model.tokenizer={tmp_path}/t.model",
            f"--data.train={tmp_path}/train.parquet",
            f"--data.validate={tmp_path}/validate.parquet",
            f"--run={tmp_path}/run",
            "--trainer.max_steps=100",
            "--trainer.enable_progress_bar=false",
            "--data.batches_per_epoch=50",
            "--data.max_batch_seconds=40",
            "--data.num_workers=0",
        ]
    )
    last = [row for row in metrics(tmp_path / "run") if row["val/cer/mean"]][-1]
    assert float(last["val/cer/mean"]) < 0.3
