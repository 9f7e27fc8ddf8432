"""Damaged checkpoints and outputs that are not numbers are refused, never decoded to an empty text."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lightning import Trainer

import stt
from stt.audio.io import read_audio
from stt.cli.main import main as commands
from stt.cli.train import main as train
from stt.correction.corrector import Corrector
from stt.errors import InputError
from stt.recognition.recognizer import Recognizer
from tests.conftest import RATE


@pytest.fixture
def good(trained: Path) -> Path:
    return trained / "checkpoints" / "last.ckpt"


def weights(path: Path) -> dict[str, torch.Tensor]:
    return dict(torch.load(path, weights_only=True)["state_dict"])


def flipped(good: Path, out: Path, name: str) -> Path:
    """Copy a checkpoint with one bit of one tensor flipped."""
    content = bytearray(good.read_bytes())
    content[content.index(weights(good)[name].numpy().tobytes()) + 2] ^= 8
    out.write_bytes(content)
    return out


def with_weight(good: Path, out: Path, value: float) -> Path:
    """Copy a checkpoint with one weight replaced, and checksums that fit."""
    content = torch.load(good, weights_only=True)
    content["state_dict"]["head.weight"][0, 0] = value
    torch.save(content, out)
    return out


def test_a_flipped_bit_in_any_tensor_is_found(good: Path, tmp_path: Path) -> None:
    for name in [name for name, weight in weights(good).items() if weight.numel() > 8]:  # few bytes are found elsewhere
        path = flipped(good, tmp_path / "flipped.ckpt", name)
        with pytest.raises(InputError, match=r"flipped\.ckpt: the checkpoint is damaged"):
            Recognizer.load(path)


def test_a_damaged_checkpoint_is_not_resumed_from_python(good: Path, tones: Path, tmp_path: Path) -> None:
    path = flipped(good, tmp_path / "flipped.ckpt", "head.weight")
    data = stt.SpeechDataModule(str(tones), str(tones), num_workers=0, batches_per_epoch=3)
    trainer = Trainer(max_steps=303, default_root_dir=tmp_path / "run", accelerator="cpu", logger=False)
    with pytest.raises(InputError, match="damaged"):
        trainer.fit(stt.SpeechTask(init_from=str(good)), data, ckpt_path=path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite_are_refused_by_every_command(
    value: float, good: Path, tones: Path, fit_args: list[str], tmp_path: Path, fails: Callable[..., str]
) -> None:
    path = with_weight(good, tmp_path / "bad.ckpt", value)
    message = "bad.ckpt: its weights are not finite numbers (head.weight)"
    assert message in fails(commands, ["transcribe", str(path), str(tones.parent / "0.wav")])
    assert message in fails(train, [*fit_args, f"--model.init_from={path}"])
    assert message in fails(train, ["test", f"--ckpt_path={path}", f"--data.test={tones}"])


def test_a_corrector_whose_weights_are_not_finite_is_refused(good: Path, tmp_path: Path) -> None:
    recognizer = Recognizer.load(good)
    corrector = Corrector(recognizer.tokenizer.to_string(), recognizer.normalizer.name)
    torch.nn.init.constant_(corrector.network.norm.weight, float("nan"))
    corrector.save(tmp_path / "c.ckpt")
    with pytest.raises(InputError, match="not finite"):
        Corrector.load(tmp_path / "c.ckpt")


def test_an_output_that_is_not_a_number_names_the_audio(
    good: Path, tones: Path, tmp_path: Path, fails: Callable[..., str]
) -> None:
    path = with_weight(good, tmp_path / "large.ckpt", 3e38)  # finite, but its products are not
    audio = str(tones.parent / "0.wav")
    assert f"error: {audio}: the network's output is not a number" in fails(commands, ["transcribe", str(path), audio])
    recognizer, waveform = Recognizer.load(path), torch.from_numpy(read_audio(audio, RATE))
    with pytest.raises(InputError, match=r"manifest\.jsonl: row \d+: the network's output"):
        stt.evaluate(recognizer, tones)
    with pytest.raises(InputError, match=r"waveform \d of the batch: the network's output"):
        recognizer.recognize(waveform.unsqueeze(0), torch.tensor([len(waveform)]))
    for command in ("test", "predict"):
        options = [f"--ckpt_path={path}", f"--data.{command}={tones}", f"--run={tmp_path / command}"]
        assert "wav: the network's output is not a number" in fails(train, [command, *options])


def test_a_checkpoint_in_another_format_of_torch_still_loads(good: Path, tmp_path: Path) -> None:
    content = torch.load(good, weights_only=True)
    del content["SpeechDataModule"]  # that format cannot hold unsigned integers, as the curriculum's ledger has
    torch.save(content, tmp_path / "old.ckpt", _use_new_zipfile_serialization=False)
    assert Recognizer.load(tmp_path / "old.ckpt").train_domains == Recognizer.load(good).train_domains
