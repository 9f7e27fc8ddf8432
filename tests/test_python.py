"""Training from Python: a plain Trainer, the model, the data, and nothing of the command line."""

import functools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import Trainer, seed_everything
from lightning.pytorch.callbacks import EMAWeightAveraging
from lightning.pytorch.loggers import CSVLogger

from stt import Preprocessing, SpeechDataModule, SpeechTask, evaluate, load
from stt.audio.augmentation.device import Augmentation
from stt.audio.features import LogMel
from stt.cli.train import main
from stt.corpus.manifest import read_manifest
from stt.errors import InputError
from stt.models import ConvTransformer
from stt.reports.run import find_run
from stt.runs.folder import RunFolder
from stt.sampling import UniformSampler
from stt.training.callbacks import ForgettingGate, GradientClipping, PercentileClipping
from stt.training.schedule import WarmupCosine
from tests.conftest import RATE, ROOT, write_corpus

QUIET: dict[str, Any] = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}


def micro(tokenizer_file: Path | None, **options: Any) -> SpeechTask:
    """The network of micro.yaml."""
    return SpeechTask(
        tokenizer_file and str(tokenizer_file),
        features=LogMel(RATE, n_mels=32),
        encoder=ConvTransformer(32, (32, 48, 64), (1, 1, 1), (5, 5, 5), 64, 2, 2, 0.0),
        augment=Augmentation(0.0),
        optimizer=functools.partial(torch.optim.AdamW, lr=3e-3, fused=True),
        lr_scheduler=functools.partial(WarmupCosine, warmup_steps=10),
        **options,
    )


def data_of(tones: Path, **options: Any) -> SpeechDataModule:
    few = {"batches_per_epoch": 3, "max_batch_seconds": 12, "num_workers": 0}
    return SpeechDataModule(str(tones), str(tones), str(tones), **{**few, **options})


def weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(RunFolder(run).best, weights_only=True)["state_dict"]


def results(run: Path) -> dict[str, Any]:
    return json.loads(RunFolder(run).results.read_text())


def test_python_and_the_command_line_give_the_same_to_the_last_digit(
    fit_args: list[str], tones: Path, tokenizer_file: Path, tmp_path: Path, offline_wandb: None
) -> None:
    main([*fit_args, f"--data.test={tones}", "--trainer.max_steps=60", "--data.batches_per_epoch=30"])
    seed_everything(0, workers=True)
    model = micro(tokenizer_file)
    trainer = Trainer(max_steps=60, log_every_n_steps=1, default_root_dir=tmp_path / "python", **QUIET)
    data = data_of(tones, batches_per_epoch=30)
    trainer.fit(model, data)
    trainer.test(model, data, ckpt_path="best", verbose=False)
    one, other = tmp_path / "run", tmp_path / "python"
    assert results(one) == results(other)
    assert 0 < results(one)["mean"]["cer"] < 0.9
    assert all(torch.equal(value, weights(other)[name]) for name, value in weights(one).items())
    for name in ("checkpoints/last.ckpt", "logs/version_0/metrics.csv", "recognized/validate.jsonl", "wandb/run_id"):
        assert (other / name).is_file(), name
    curves = [find_run(run).metrics() for run in (one, other)]
    timed = ("progress/device_hours", "throughput/", "clip/time_share")
    for name in set(curves[0]) | set(curves[1]):
        if not name.startswith(timed):
            assert curves[0][name] == curves[1][name], name


def test_the_lines_of_the_readme_do_what_its_commands_do(
    tones: Path, tokenizer_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(code.strip().splitlines()) <= 12
    monkeypatch.chdir(tmp_path)
    corpora = tmp_path / "corpora"
    corpora.mkdir()
    lines = [json.loads(line) for line in tones.read_text().splitlines()]
    text = "".join(json.dumps({**line, "audio": str(tones.parent / line["audio"])}) + "\n" for line in lines)
    for split in ("train", "validate", "test"):
        (corpora / f"mine.{split}.jsonl").write_text(text)
    (corpora / "mine.model").write_bytes(tokenizer_file.read_bytes())
    shorter = {".parquet": ".jsonl", "2000": "4", '.test.jsonl"': '.test.jsonl", batches_per_epoch=2'}
    for before, after in {**shorter, "FILE": str(tones.parent / "0.wav")}.items():
        assert before in code
        code = code.replace(before, after)
    exec(code, {})
    splits = [f"--data.{split}=corpora/mine.{split}.jsonl" for split in ("train", "validate", "test")]
    small = ["--model.tokenizer=corpora/mine.model", "--trainer.max_steps=4", "--data.batches_per_epoch=2"]
    main(["fit", f"--config={ROOT / 'configs' / 'model' / 'tiny.yaml'}", *splits, *small, "--run=runs/other"])
    assert results(Path("runs/mine")) == results(Path("runs/other"))
    other = weights(Path("runs/other"))
    assert all(torch.equal(value, other[name]) for name, value in weights(Path("runs/mine")).items())


def test_runs_of_a_sweep_are_told_apart_by_their_configuration(
    tones: Path, tokenizer_file: Path, tmp_path: Path
) -> None:
    model = micro(tokenizer_file)
    model.make_optimizer = functools.partial(torch.optim.AdamW, lr=np.float64(0.01))
    data = data_of(tones, batches_per_epoch=1, sampler=UniformSampler(rising_strength=False))
    Trainer(max_steps=1, default_root_dir=tmp_path, logger=CSVLogger(tmp_path), limit_val_batches=1, **QUIET).fit(
        model, data
    )
    config = find_run(tmp_path).config()
    (optimizer,) = config["model"]["optimizer"]
    assert (optimizer["class"], optimizer["lr"]) == ("torch.optim.adamw.AdamW", 0.01)
    assert config["model"]["augment"]["strength"] == 0
    sampler = {"class": "stt.sampling.uniform.UniformSampler", "uses_feedback": False, "seed": 0}
    assert config["data"]["sampler"] == sampler


def test_the_data_can_be_looked_at_without_a_trainer_and_without_a_model(tones: Path, tokenizer_file: Path) -> None:
    constant = UniformSampler(rising_strength=False)
    data = data_of(tones, preprocessing=Preprocessing(tokenizer_file, RATE, strength=0.5), sampler=constant)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert batch.waveforms.shape[0] == len(batch) > 1
    assert batch.strengths.tolist() == [0.5] * len(batch)
    assert sum(len(one) for one in data.val_dataloader()) == 120
    with pytest.raises(InputError, match="neither a model nor a preprocessing"):
        data_of(tones).setup("fit")


def test_manifests_may_be_paths(tones: Path, tokenizer_file: Path) -> None:
    data = SpeechDataModule(
        tones,  # type: ignore[arg-type]
        [tones],  # type: ignore[list-item]
        num_workers=0,
        preprocessing=Preprocessing(tokenizer_file, RATE),
    )
    data.setup("fit")
    assert data.manifests["train"] == data.manifests["validate"] == [str(tones)]
    assert data.domains("validate") == ["high", "low"]


def test_utterances_that_the_network_has_too_few_frames_for_are_left_out_also_where_the_data_were_used_before(
    tones: Path, tokenizer_file: Path, tmp_path: Path
) -> None:
    corpus = write_corpus(tmp_path / "c", 12, seed=1)
    lines = [json.loads(line) for line in corpus.read_text().splitlines()]
    lines[7]["text"] = "abcde" * 20
    corpus.write_text("".join(json.dumps(line) + "\n" for line in lines))
    data = SpeechDataModule(
        str(corpus), str(corpus), batches_per_epoch=1, num_workers=0, preprocessing=Preprocessing(tokenizer_file, RATE)
    )
    data.setup("fit")
    assert data.skipped == [], "nothing is known of a network"
    model = micro(tokenizer_file)
    Trainer(max_steps=1, default_root_dir=tmp_path / "run", logger=False, **QUIET).fit(model, data)
    assert [(item.row, item.kind) for item in data.skipped] == [(7, "not alignable")]
    assert (tmp_path / "run" / "skipped.csv").is_file()


def test_data_that_read_otherwise_than_the_model_are_refused(tones: Path, tokenizer_file: Path, tmp_path: Path) -> None:
    trainer = Trainer(max_steps=1, default_root_dir=tmp_path, logger=False, **QUIET)
    with pytest.raises(InputError, match="different tokenizer, normalizer or sample rate"):
        trainer.fit(micro(tokenizer_file), data_of(tones, preprocessing=Preprocessing(tokenizer_file, 16_000)))
    data = data_of(tones, preprocessing=Preprocessing(tokenizer_file, RATE))
    data.setup("fit")
    trainer = Trainer(max_steps=1, default_root_dir=tmp_path, logger=False, **QUIET)
    with pytest.raises(InputError, match="must be a SpeechDataModule"):
        trainer.fit(micro(tokenizer_file), data.train_dataloader())


def test_a_training_without_a_length_says_what_its_schedule_lacks(
    tones: Path, tokenizer_file: Path, tmp_path: Path
) -> None:
    trainer = Trainer(max_epochs=1, default_root_dir=tmp_path, logger=False, **QUIET)
    with pytest.raises(InputError, match=r"set trainer\.max_steps"):
        trainer.fit(micro(tokenizer_file), data_of(tones))


def test_given_callbacks_stand_in_for_those_of_their_kind_and_loggers_come_beside_the_runs(
    tones: Path, tokenizer_file: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    own = PercentileClipping(percentile=50)
    trainer = Trainer(
        max_steps=3, default_root_dir=run, callbacks=[own], logger=CSVLogger(tmp_path, name="mine"), **QUIET
    )
    trainer.fit(micro(tokenizer_file), data_of(tones))
    assert [one for one in trainer.callbacks if isinstance(one, GradientClipping)] == [own]
    assert find_run(run).metrics()["val/cer/mean"]
    assert (tmp_path / "mine" / "version_0" / "metrics.csv").is_file()


def test_no_logger_means_none(tones: Path, tokenizer_file: Path, tmp_path: Path) -> None:
    trainer = Trainer(max_steps=3, default_root_dir=tmp_path, logger=False, **QUIET)
    trainer.fit(micro(tokenizer_file), data_of(tones))
    assert RunFolder(tmp_path).last.is_file()
    assert not (tmp_path / "logs").exists()
    assert not (tmp_path / "wandb").exists()


def test_a_run_is_not_written_over(tones: Path, tokenizer_file: Path, trained: Path) -> None:
    before = RunFolder(trained).last.stat().st_mtime
    with pytest.raises(InputError, match="already holds a run"):
        Trainer(max_steps=3, default_root_dir=trained, logger=False, **QUIET).fit(micro(tokenizer_file), data_of(tones))
    assert RunFolder(trained).last.stat().st_mtime == before


@pytest.mark.parametrize("averaged", [False, True])
def test_weights_are_taken_and_measured_before_the_first_step_and_the_ledger_is_carried_over(
    steered: Path, tones: Path, tmp_path: Path, averaged: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    from stt.sampling import CurriculumSampler

    parent = RunFolder(steered).best
    gate, sampler = ForgettingGate(), CurriculumSampler()
    average = [EMAWeightAveraging(decay=0.5)] if averaged else []
    model = SpeechTask(init_from=str(parent), optimizer=functools.partial(torch.optim.SGD, lr=0.0))
    trainer = Trainer(max_steps=3, default_root_dir=tmp_path, callbacks=[gate, *average], **QUIET)
    trainer.fit(model, data_of(tones, sampler=sampler))
    said = capsys.readouterr().out
    assert "the tokenizer is the same" in said
    assert "step 0: CER" in said
    theirs = dict(load(parent).named_parameters())
    assert all(torch.equal(value, theirs[name]) for name, value in load(RunFolder(tmp_path).last).named_parameters())
    curves, known = find_run(tmp_path).metrics(), evaluate(load(parent), tones).rates
    for domain in ("high", "low"):
        assert curves[f"val/cer/{domain}"][0] == (0, pytest.approx(known[domain].cer))
        assert gate.parent[domain] == pytest.approx(known[domain].cer)
    assert sampler.curriculum.ledger.count.sum() > 0
    # Resumed, it has its own weights, and needs the parent no more.
    again = SpeechTask(init_from=str(parent), optimizer=functools.partial(torch.optim.SGD, lr=0.0))
    again.init_from = "gone.ckpt"
    trainer = Trainer(max_steps=6, default_root_dir=tmp_path, callbacks=[ForgettingGate(), *average], **QUIET)
    trainer.fit(
        again, data_of(tones, sampler=CurriculumSampler()), ckpt_path=RunFolder(tmp_path).last, weights_only=True
    )
    assert "with the weights of" not in capsys.readouterr().out
    assert len(find_run(tmp_path).metrics()["forgetting/cer/worst"]) == 2


def test_a_gate_that_does_not_know_what_there_was_before_refuses(
    steered: Path, tones: Path, tokenizer_file: Path, tmp_path: Path
) -> None:
    model = micro(tokenizer_file)
    model.parent_domains = ["high"]
    trainer = Trainer(max_steps=3, default_root_dir=tmp_path / "measured", logger=False, **QUIET)
    trainer.fit(model, data_of(tones))
    assert "val/cer/under_limit" in trainer.callback_metrics, "measured before the first step"

    state = torch.load(RunFolder(tmp_path / "measured").last, weights_only=True)
    del state["callbacks"]["ForgettingGate"]
    torch.save(state, tmp_path / "without.ckpt")
    trainer = Trainer(max_steps=6, default_root_dir=tmp_path / "resumed", logger=False, **QUIET)
    with pytest.raises(InputError, match="the CER of high was not measured before training"):
        trainer.fit(micro(tokenizer_file), data_of(tones), ckpt_path=str(tmp_path / "without.ckpt"), weights_only=True)


def test_setting_up_the_data_changes_nothing_in_the_model(tones: Path, tokenizer_file: Path) -> None:
    model = micro(tokenizer_file)
    before = model.recognizer.description()
    data = data_of(tones)
    data.set_preprocessing(model.preprocessing())
    data.setup("fit")
    assert model.recognizer.description() == before
    assert data.domains("train") == read_manifest(tones).domains
