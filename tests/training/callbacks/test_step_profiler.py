import json
from pathlib import Path

import pytest
import torch

from stt.audio.augmentation.device import Augmentation
from stt.audio.features import LogMel
from stt.cli.main import main
from stt.models import Wav2Letter
from stt.training.callbacks.step_profiler import PHASES, model_size
from stt.training.task import SpeechTask
from tests.conftest import MICRO


def test_bench_train_accounts_for_the_whole_step(
    tones: Path, tokenizer_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = [f"--data.train={tones}", f"--data.validate={tones}", f"--model.tokenizer={tokenizer_file}"]
    with pytest.raises(SystemExit) as done:
        main(["bench", "train", "--steps=4", "--warmup=2", f"--out={tmp_path}", f"--config={MICRO}", *data])
    assert done.value.code == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert report["steps"] == 4
    assert list(report["shares"]) == list(PHASES)
    assert sum(report["shares"].values()) == pytest.approx(1, abs=0.001)
    assert min(report["shares"][phase] for phase in ("features", "forward", "backward", "optimizer")) > 0
    assert report["audio_seconds_per_second"] == pytest.approx(
        report["audio_seconds_per_step"] / report["seconds_per_step"], rel=0.01
    )
    assert 0 < report["core_seconds_per_step"] < 1.2 * report["threads"] * report["seconds_per_step"] + 0.1
    assert 0 < report["tokens_per_frame"] < 1
    assert report["memory_mb"] > 100
    assert report["synchronizations_per_step"] is None, "there is no GPU to wait for"
    assert not (tmp_path / "0" / "checkpoints").exists()


def test_multiply_adds_are_those_of_the_convolution_and_the_head(tokenizer_file: Path) -> None:
    model = SpeechTask(
        str(tokenizer_file),
        "plain-1",
        LogMel(n_mels=20),
        Wav2Letter(20, channels=(8,), kernel_sizes=(3,), strides=(2,)),
        Augmentation(),
        torch.optim.AdamW,
    )
    vocab = model.recognizer.tokenizer.vocab_size
    frames = 500  # of ten seconds
    expected = frames * (20 * 8 * 3 + 8 * vocab) / 10
    measured = model_size(model.recognizer)
    assert measured["multiply_adds_per_audio_second"] == pytest.approx(expected, abs=1)
    assert measured["parameters"] == 20 * 8 * 3 + 2 * 8 + 9 * vocab
