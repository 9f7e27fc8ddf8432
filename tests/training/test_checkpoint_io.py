import resource
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from stt.cli.train import main
from stt.files import WriteError
from stt.training.checkpoint_io import AtomicCheckpointIO


def test_a_checkpoint_is_replaced_by_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "last.ckpt"
    for step in (1, 2):
        AtomicCheckpointIO().save_checkpoint({"step": step, "weights": torch.ones(100)}, path)
        assert torch.load(path, weights_only=True)["step"] == step
    assert [one.name for one in path.parent.iterdir()] == ["last.ckpt"]


def test_a_full_disk_leaves_the_previous_checkpoint(tmp_path: Path, limited: Callable[[int], None]) -> None:
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"step": 1}, path)
    limited(50_000)
    with pytest.raises(WriteError, match=r"last\.ckpt cannot be written"):
        AtomicCheckpointIO().save_checkpoint({"step": 2, "weights": torch.ones(100_000)}, path)
    assert torch.load(path, weights_only=True)["step"] == 1
    assert [one.name for one in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_checkpoint_that_is_corrupt_on_disk_replaces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, save = tmp_path / "last.ckpt", torch.save
    AtomicCheckpointIO().save_checkpoint({"step": 1}, path)

    def flip(content: object, to: Path) -> None:
        save(content, to)
        written = bytearray(to.read_bytes())
        written[written.index(b"\x00\x00\x80\x3f" * 8)] ^= 1  # among the ones
        to.write_bytes(written)

    monkeypatch.setattr(torch, "save", flip)
    with pytest.raises(WriteError, match="corrupt"):
        AtomicCheckpointIO().save_checkpoint({"step": 2, "weights": torch.ones(1000)}, path)
    assert torch.load(path, weights_only=True)["step"] == 1


def test_a_run_whose_disk_is_full_ends_with_a_sentence_and_can_be_resumed(
    fit_args: list[str], tmp_path: Path, limited: Callable[[int], None], fails: Callable[..., str]
) -> None:
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    main([*fit_args, "--trainer.max_steps=3"])
    size = last.stat().st_size
    limited(size // 2)
    resumed = [*fit_args, f"--ckpt_path={last}", "--trainer.max_steps=6"]
    assert "last.ckpt cannot be written" in fails(main, resumed)
    assert last.stat().st_size == size
    limited(resource.RLIM_INFINITY)
    main(resumed)
    assert torch.load(last, weights_only=True)["global_step"] == 6
