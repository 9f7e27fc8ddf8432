import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from lightning import Trainer

import stt
from stt.audio.augmentation.device import Augmentation
from stt.audio.features import LogMel
from stt.audio.io import resample
from stt.cli.main import main
from stt.cli.train import main as train
from stt.errors import InputError
from stt.metrics.recognized import read_recognized
from stt.models import ConvTransformer
from stt.recognition.recognizer import Recognizer
from stt.runs.folder import RunFolder
from stt.text.normalize import get_normalizer
from stt.text.tokenizer import Tokenizer
from stt.training.datamodule import SpeechDataModule
from stt.training.schedule import WarmupCosine
from stt.training.task import SpeechTask
from tests.conftest import RATE, ROOT, spoken_in_tones
from tests.recognition.hostile import as_version_0_1


def run(args: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(args)
    assert exit_.value.code == 0


@pytest.fixture
def checkpoint(trained: Path) -> str:
    return str(trained / "checkpoints" / "best.ckpt")


@pytest.mark.parametrize(("name", "rate"), [("a.wav", 16_000), ("a.flac", 44_100), ("a.ogg", 8_000), ("a.mp3", 22_050)])
def test_any_format_sample_rate_and_channel_count_is_accepted(
    checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, rate: int
) -> None:
    waveform = resample(spoken_in_tones("ab cad"), RATE, rate)
    soundfile.write(tmp_path / name, np.stack([waveform, waveform], axis=1), rate)
    run(["transcribe", checkpoint, str(tmp_path / name)])
    assert capsys.readouterr().out == "ab cad\n"


def test_json_output_has_times_and_confidences(
    checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(tmp_path / "a.wav", spoken_in_tones("a bd"), RATE)
    run(["transcribe", checkpoint, str(tmp_path / "a.wav"), "--format", "json"])
    line = json.loads(capsys.readouterr().out)
    assert line["text"] == " ".join(word["text"] for word in line["words"]) == "a bd"
    assert line["duration"] == pytest.approx(1.2, abs=0.01)
    # A letter lasts 0.2 s: silence, a, pause, b, d, silence.
    assert line["words"][0]["start"] == pytest.approx(0.2, abs=0.17)
    assert line["words"][1]["start"] == pytest.approx(0.6, abs=0.17)
    assert 0 < line["confidence"] <= 1
    assert line["normalizer"] == "plain-1"


def test_an_unreadable_file_is_reported_and_the_others_are_transcribed(
    checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(tmp_path / "good.wav", spoken_in_tones("ab"), RATE)
    (tmp_path / "bad.wav").write_bytes(b"nothing")
    with pytest.raises(SystemExit) as exit_:
        main(["transcribe", checkpoint, str(tmp_path / "bad.wav"), str(tmp_path / "good.wav")])
    printed = capsys.readouterr()
    assert exit_.value.code == 2
    assert "bad.wav" in printed.err
    assert printed.out.endswith("good.wav\tab\n")


def test_a_checkpoint_is_self_contained(trained: Path, tokenizer_file: Path, tmp_path: Path) -> None:
    path = trained / "checkpoints" / "best.ckpt"
    assert torch.load(path, weights_only=True)["recognizer"]["tokenizer"].startswith("spm-base64:")
    recognizer = stt.load(path)
    assert recognizer.tokenizer.model == tokenizer_file.read_bytes()
    assert recognizer.normalizer.name == "plain-1"
    assert recognizer.sample_rate == RATE
    assert recognizer.train_domains == ["high", "low"]
    recognizer.save(tmp_path / "small.ckpt")
    assert (tmp_path / "small.ckpt").stat().st_size < path.stat().st_size / 2, "it has no training state"
    reloaded = stt.load(tmp_path / "small.ckpt")
    assert reloaded.description() == recognizer.description()
    assert all(torch.equal(value, reloaded.state_dict()[name]) for name, value in recognizer.state_dict().items())


def test_a_waveform_is_transcribed_like_its_file_at_any_sample_rate(checkpoint: str, tmp_path: Path) -> None:
    recognizer = stt.load(checkpoint)
    for rate in (8_000, 44_100):
        waveform = resample(spoken_in_tones("ab cad"), RATE, rate)
        soundfile.write(tmp_path / "a.wav", waveform, rate, subtype="FLOAT")
        from_file = recognizer.transcribe(tmp_path / "a.wav")
        assert from_file.text == "ab cad"
        for given in (waveform.astype(np.float64), torch.from_numpy(waveform)):
            transcript = recognizer.transcribe(given, float(rate))
            assert [(w.text, w.start, w.end) for w in transcript.words] == [
                (w.text, w.start, w.end) for w in from_file.words
            ]
            # The last bits depend on where in memory the samples are.
            confidences = [word.confidence for word in from_file.words]
            assert [word.confidence for word in transcript.words] == pytest.approx(confidences, abs=1e-5)
    assert recognizer.transcribe(torch.from_numpy(waveform).bfloat16(), rate).text == "ab cad"
    assert recognizer.transcribe(np.zeros(0, np.float32), 8_000).words == []


@pytest.mark.parametrize(
    ("waveform", "rate", "message"),
    [
        (np.zeros(9, np.float32), None, "sample rate of the waveform is missing"),
        (np.zeros((9, 2), np.float32), 8_000, r"must be mono \(sample,\), not of shape \(9, 2\)"),
        (np.zeros(9, np.int16), 8_000, "not int16"),
        (np.full(9, np.nan), 8_000, "NaN"),
        ([0.0] * 9, 8_000, "not of type list"),
        *((np.zeros(9, np.float32), rate, "a whole number of Hz") for rate in (0, 8_000.5, float("nan"), "8000")),
    ],
)
def test_invalid_waveforms_are_rejected(checkpoint: str, waveform: Any, rate: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        stt.load(checkpoint).transcribe(waveform, rate)


def test_transcribe_disables_dropout_and_restores_training_mode(tokenizer_file: Path) -> None:
    recognizer = Recognizer(
        LogMel(RATE, 32), small_encoder(0.5), Tokenizer.load(tokenizer_file), get_normalizer("plain-1")
    )
    recognizer.train()
    recognizer.encoder.conv.eval()  # like a frozen part
    waveform = spoken_in_tones("ab")
    assert recognizer.transcribe(waveform, RATE) == recognizer.transcribe(waveform, RATE)
    assert recognizer.training
    assert recognizer.encoder.training
    assert not recognizer.encoder.conv.training


TRAINING_MODULES = ("kenlm", "lightning", "matplotlib", "pyarrow", "pyctcdecode", "scipy", "torchmetrics", "wandb")


def test_greedy_recognition_does_not_import_training_dependencies(checkpoint: str, tones: Path) -> None:
    code = f"""
import sys, stt
print(stt.load({checkpoint!r}).transcribe({str(tones.parent / "0.wav")!r}).text)
print(sorted({{name.partition(".")[0] for name in sys.modules}} & set({TRAINING_MODULES})))
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    text, loaded = result.stdout.splitlines()
    assert text == json.loads(tones.read_text().splitlines()[0])["text"]
    assert loaded == "[]"


def test_the_public_api_is_listed_and_imported_lazily() -> None:
    code = "import sys, stt; print('torch' in sys.modules, set(stt.__all__) <= set(dir(stt)))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "True"]
    assert all(getattr(stt, name) for name in stt.__all__)
    with pytest.raises(AttributeError, match="Recogniser"):
        stt.Recogniser  # noqa: B018
    assert (Path(stt.__file__).parent / "py.typed").is_file()


def small_encoder(dropout: float = 0.0) -> ConvTransformer:
    return ConvTransformer(32, (32, 48, 64), (1, 1, 1), (5, 5, 5), 64, 2, 2, dropout)


@pytest.fixture(scope="module")
def trained_in_python(tones: Path, tokenizer_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("python")
    torch.manual_seed(0)
    optimizer = functools.partial(torch.optim.AdamW, lr=3e-3)
    features, augment = LogMel(RATE, 32), Augmentation(0.0)
    schedule = functools.partial(WarmupCosine, warmup_steps=10)
    model = SpeechTask(str(tokenizer_file), "plain-1", features, small_encoder(), augment, optimizer, schedule)
    data = SpeechDataModule(str(tones), str(tones), batches_per_epoch=60, max_batch_seconds=12, num_workers=0)
    trainer = Trainer(accelerator="cpu", max_steps=180, default_root_dir=folder, logger=False, **QUIET)
    trainer.fit(model, data)
    trainer.save_checkpoint(folder / "model.ckpt")
    return folder / "model.ckpt"


QUIET = {"enable_progress_bar": False, "enable_model_summary": False, "use_distributed_sampler": False}


def test_a_checkpoint_of_a_plain_trainer_gives_the_same_error_rates_everywhere(
    trained_in_python: Path, tones: Path, fit_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated = stt.evaluate(stt.load(trained_in_python), tones)
    assert evaluated.cer < 0.1

    train(["test", f"--ckpt_path={trained_in_python}", f"--data.test={tones}", f"--run={tmp_path / 'test'}"])
    tested = json.loads((tmp_path / "test" / "test_metrics.json").read_text())
    for domain, rate in evaluated.rates.items():
        assert tested["domains"][domain] == {**rate.row(), "in_training": True}
    recognized = RunFolder(tmp_path / "test").recognized("test")
    assert [one.hypothesis for one in read_recognized(recognized)] == [one.hypothesis for one in evaluated.recognized]

    fit = [arg for arg in fit_args if "tokenizer" not in arg]
    train([*fit, f"--model.init_from={trained_in_python}", "--trainer.max_steps=3"])
    printed = capsys.readouterr().out
    assert "the tokenizer is the same" in printed
    assert f"step 0: CER {100 * evaluated.cer:.1f} %" in printed

    resume = [*fit, f"--run={tmp_path / 'resumed'}", f"--ckpt_path={trained_in_python}", "--trainer.max_steps=183"]
    train([*resume, "--data.batches_per_epoch=60"])
    resumed = torch.load(tmp_path / "resumed" / "checkpoints" / "last.ckpt", weights_only=True)
    assert resumed["global_step"] == 183

    run(["transcribe", str(trained_in_python), str(tones.parent / "0.wav")])
    assert capsys.readouterr().out.strip().endswith(evaluated.recognized[0].hypothesis)


def test_checkpoints_of_older_versions_are_rejected(checkpoint: str, tmp_path: Path) -> None:
    content = torch.load(checkpoint, weights_only=True)
    version_1 = {**content, "recognizer": {**content["recognizer"], "version": 1}}
    for old in (as_version_0_1(content), version_1):
        torch.save(old, tmp_path / "old.ckpt")
        with pytest.raises(
            InputError, match=r"old\.ckpt: written by an older version .* different features: train it again"
        ):
            stt.load(tmp_path / "old.ckpt")
