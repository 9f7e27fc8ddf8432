"""Every number that `train.py fit` takes, out of its range."""

from pathlib import Path

import pytest

from stt.cli.train import main
from tests.fuzz.harness import run

INTEGERS = ("-1", "0", str(2**63), "0.5")
SIZES = INTEGERS[:2]  # a huge network is what was asked for
NUMBERS = ("-1", "0", "nan", "inf", "-inf", "1e300", "-1e300")
ENCODER, FEATURES = "model.encoder.init_args", "model.features.init_args"
OPTIMIZER, SCHEDULE = "model.optimizer.init_args", "model.lr_scheduler.init_args"
SAMPLER = "data.sampler.init_args"
OPTIONS = {
    "seed_everything": INTEGERS,
    **{f"trainer.{name}": ("-2", "0", "0.5") for name in ("devices", "num_nodes", "max_steps")},
    **{f"trainer.{name}": INTEGERS for name in ("min_steps", "max_epochs")},
    **{f"trainer.{name}": INTEGERS for name in ("min_epochs", "num_sanity_val_steps", "log_every_n_steps")},
    **{f"trainer.limit_{split}_batches": NUMBERS for split in ("train", "val", "test")},
    **{f"trainer.{name}": NUMBERS for name in ("overfit_batches", "gradient_clip_val")},
    "trainer.reload_dataloaders_every_n_epochs": INTEGERS,
    **{f"trainer.{name}": INTEGERS for name in ("accumulate_grad_batches", "check_val_every_n_epoch")},
    "trainer.val_check_interval": (*INTEGERS, *NUMBERS),
    f"{FEATURES}.sample_rate": INTEGERS,
    f"{FEATURES}.n_mels": SIZES,
    f"{FEATURES}.window_seconds": NUMBERS,
    f"{FEATURES}.hop_seconds": NUMBERS,
    **{f"{ENCODER}.{name}": SIZES for name in ("d_model", "num_layers", "num_heads")},
    **{f"{ENCODER}.{name}": ("[]", "[0,0,0]", "[-1,1,1]") for name in ("conv_channels", "conv_blocks")},
    f"{ENCODER}.conv_kernel_sizes": ("[0,5,5]", "[4,5,5]", "[-3,5,5]", "[5]"),
    f"{ENCODER}.dropout": NUMBERS,
    "model.augment.init_args.strength": NUMBERS,
    **{f"{OPTIMIZER}.{name}": NUMBERS for name in ("lr", "eps", "weight_decay")},
    f"{OPTIMIZER}.betas": ("[-1,0.9]", "[0.9,1]", "[nan,0.9]", "[0.9]"),
    f"{SCHEDULE}.warmup_steps": INTEGERS,
    f"{SCHEDULE}.total_steps": INTEGERS,
    **{f"data.{name}": INTEGERS for name in ("batches_per_epoch", "seed")},
    "data.num_workers": ("-1", "0.5", "257", str(2**63)),
    **{f"data.{name}": NUMBERS for name in ("replay_share", "max_batch_seconds", "min_seconds", "max_seconds")},
    **{f"data.{name}": NUMBERS for name in ("max_skipped_share", "max_skipped_train_share")},
    "data.domain_weights": ("{high: -1, low: 1}", "{high: nan, low: 1}", "{high: 0, low: 0}", "{high: .inf, low: 1}"),
    "clip.init_args.max_norm": NUMBERS,
    "transcripts.per_domain": INTEGERS,
    "transcripts.worst": INTEGERS,
    "forgetting.limit": NUMBERS,
    "decoder.num_workers": INTEGERS,
    "best_checkpoint.save_top_k": ("-2", *INTEGERS),
    "last_checkpoint.every_n_train_steps": INTEGERS,
    "last_checkpoint.every_n_epochs": INTEGERS,
}


@pytest.mark.parametrize(("option", "value"), [(name, value) for name in OPTIONS for value in OPTIONS[name]])
def test_a_number_out_of_range_is_one_sentence(
    option: str, value: str, fit_args: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run(
        main,
        [*fit_args, "--trainer.max_steps=2", "--data.batches_per_epoch=2", f"--{option}={value}"],
        tmp_path.parent,
        True,
    )
