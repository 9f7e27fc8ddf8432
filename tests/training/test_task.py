import functools
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from stt.audio.augmentation.device import Augmentation
from stt.audio.features import LogMel
from stt.data.batch import Utterance, collate
from stt.models import ConvTransformer, DeepSpeech2, Wav2Letter
from stt.training.schedule import WarmupCosine
from stt.training.task import SpeechTask
from tests.conftest import RATE, spoken_in_tones


@pytest.fixture
def model(tokenizer_file: Path) -> SpeechTask:
    torch.manual_seed(0)
    encoder = ConvTransformer(
        n_mels=32, conv_channels=(32, 48, 64), conv_blocks=(1, 1, 1), d_model=64, num_layers=2, num_heads=2, dropout=0.0
    )
    return SpeechTask(
        str(tokenizer_file), "plain-1", LogMel(RATE, n_mels=32), encoder, Augmentation(0.0), torch.optim.AdamW
    )


def utterance(model: SpeechTask, text: str, row: int = 0) -> Utterance:
    waveform = spoken_in_tones(text)
    return Utterance(
        row, f"{row}.wav", "d", len(waveform) / RATE, waveform, text, model.recognizer.tokenizer.encode(text)
    )


def sound(kind: str, seconds: float) -> np.ndarray:
    count = max(1, int(seconds * RATE))
    noise = np.random.default_rng(0).standard_normal(count)
    return {"silence": np.zeros(count), "noise": noise, "clipping": np.sign(noise)}[kind].astype(np.float32)


def test_a_few_utterances_are_overfitted(model: SpeechTask) -> None:
    texts = ["ab ba", "a", "cde dec", "eb a cab", "d", "bad cab e", "ace", "b e d"]
    batch = collate([utterance(model, text) for text in texts])
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    model.log = lambda *args, **options: None  # type: ignore[method-assign]
    for _ in range(150):
        optimizer.zero_grad()
        loss = model.training_step(batch, 0)["loss"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval()
    assert [hypothesis.text for hypothesis in model.recognizer.recognize(batch.waveforms, batch.lengths)] == texts


def test_log_probs_do_not_depend_on_the_batch(model: SpeechTask) -> None:
    model.eval()
    batch = collate([utterance(model, text) for text in ("ab", "a bad cab", "e")])
    with torch.no_grad():
        together, frames = model(batch.waveforms, batch.lengths)
        for i in range(3):
            alone, count = model(batch.waveforms[i : i + 1, : batch.lengths[i]], batch.lengths[i : i + 1])
            assert count[0] == frames[i]
            torch.testing.assert_close(together[i, : frames[i]], alone[0], atol=1e-5, rtol=1e-5)


def test_an_utterance_that_cannot_be_aligned_is_not_counted_and_the_gradient_stays_finite(
    model: SpeechTask,
) -> None:
    model.log = lambda *args, **options: None  # type: ignore[method-assign]
    good = utterance(model, "ab ba")
    short = Utterance(1, "short.wav", "d", 0.1, good.waveform[: RATE // 10], "abcde abcde", [1, 1, 1, 1, 1])
    outputs = model.training_step(collate([good, short]), 0)
    assert outputs["counted"].tolist() == [True, False]
    outputs["loss"].backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_an_empty_batch_has_zero_loss_and_a_finite_gradient(model: SpeechTask) -> None:
    model.log = lambda *args, **options: None  # type: ignore[method-assign]
    loss = model.training_step(collate([]), 0)["loss"]
    loss.backward()
    assert float(loss) == 0
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("seconds", [0.05, 60.0])
@pytest.mark.parametrize("kind", ["silence", "noise", "clipping"])
@pytest.mark.parametrize("network", ["conv_transformer", "deep_speech_2", "wav2letter"])
def test_any_single_utterance_trains_at_full_augmentation_strength(
    model: SpeechTask, network: str, seconds: float, kind: str
) -> None:
    torch.manual_seed(0)
    if network != "conv_transformer":
        model.recognizer.encoder = (
            DeepSpeech2(32, (4, 4, 6), cells=64, recurrent_layers=2)
            if network == "deep_speech_2"
            else Wav2Letter(32, (8, 8, 64), (47, 7, 31), (2, 2, 2))
        )
    model.augment.prepare(RATE)
    model.log = lambda *args, **options: None  # type: ignore[method-assign]
    item = Utterance(0, "0.wav", "d", seconds, sound(kind, seconds), "a", model.recognizer.tokenizer.encode("a"), 1.0)
    outputs = model.train().training_step(collate([item]), 0)
    outputs["loss"].backward()
    assert math.isfinite(float(outputs["loss"]))
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("seconds", [0.0001, 0.05, 60.0])
@pytest.mark.parametrize("kind", ["silence", "noise", "clipping"])
def test_any_audio_gives_finite_log_probs(model: SpeechTask, seconds: float, kind: str) -> None:
    waveform = torch.from_numpy(sound(kind, seconds))
    model.eval()
    with torch.no_grad():
        log_probs, _ = model(waveform.unsqueeze(0), torch.tensor([len(waveform)]))
    assert log_probs.isfinite().all()
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(log_probs.shape[:2]))


def test_scales_and_biases_are_not_decayed(model: SpeechTask) -> None:
    model.make_schedule = functools.partial(WarmupCosine, total_steps=10)
    groups = model.configure_optimizers()["optimizer"].param_groups  # type: ignore[index, call-overload]
    assert all(parameter.ndim > 1 for parameter in groups[0]["params"])
    assert groups[1]["weight_decay"] == 0
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
