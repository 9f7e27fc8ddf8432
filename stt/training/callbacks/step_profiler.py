"""Profiles a training step: the time of each phase, and memory."""

from __future__ import annotations

import itertools
import json
import resource
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch.optim import Optimizer
from torch.utils.flop_counter import FlopCounterMode

from stt.data.batch import Batch
from stt.files import write_text
from stt.recognition.recognizer import Recognizer
from stt.training.callbacks.access import model_of

PHASES = ("waiting", "augmentation", "features", "forward", "backward", "clipping", "optimizer", "metrics")
SYNCHRONIZED = "called a synchronizing CUDA operation"  # PyTorch's warning


Clock = float | torch.cuda.Event


class StepProfiler(Callback):
    """Writes a JSON file with speed, the time share of each phase of the step, and memory.

    On a GPU, phases are timed on the device by events in its queue, which does not synchronize it;
    time in which the device is idle counts towards the current phase. `metrics` is everything after
    the optimizer: observations, logging, other callbacks.
    """

    def __init__(self, out: str, warmup: int = 5) -> None:
        """Write to `out`, after skipping the first `warmup` steps."""
        self.out = Path(out)
        self.warmup = warmup
        self._marks: list[tuple[str, Clock]] = []
        self._steps = self._tokens = self._frames = 0
        self._audio_seconds = self._started = self._core_started = 0.0
        self._model: dict[str, float] = {}
        self._cuda = False
        self._catching = ExitStack()
        self._warnings: list[warnings.WarningMessage] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Move to the end of the callbacks, to include them in the measurement, and compute the model size."""
        trainer.callbacks = [c for c in trainer.callbacks if c is not self] + [self]  # type: ignore[attr-defined]
        self._model = model_size(model_of(pl_module).recognizer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Hook into the parts of the step for which Lightning has no hooks."""
        model = model_of(pl_module)
        self._cuda = pl_module.device.type == "cuda"
        model.augment.waveforms = self._timed("augmentation", model.augment.waveforms)  # type: ignore[method-assign]
        model.augment.features = self._timed("augmentation", model.augment.features)  # type: ignore[method-assign]
        model.recognizer.features.register_forward_pre_hook(lambda *_: self._mark("forward"))
        model.recognizer.features.register_forward_hook(lambda *_: self._mark("features"))
        trainer.optimizers[0].register_step_post_hook(lambda *_: self._mark("optimizer"))

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """Start measuring after the warm-up; end the data waiting phase."""
        if trainer.global_step == self.warmup:
            self._start_measuring()
        self._mark("waiting")

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: torch.Tensor) -> None:
        """End the forward pass."""
        self._mark("forward")

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the backward pass."""
        self._mark("backward")

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """End clipping, which has just run."""
        self._mark("clipping")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """End the step and count its contents."""
        self._mark("metrics")
        if self._marks:
            self._steps += 1
            self._audio_seconds += sum(batch.seconds)
            self._tokens += sum(batch.token_lengths.tolist())
            self._frames += sum(model_of(pl_module).recognizer.output_lengths(batch.host_lengths).tolist())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the report; later epochs are not measured."""
        if not self._steps:
            return
        if self._cuda:
            torch.cuda.synchronize()
        seconds, core_seconds = time.perf_counter() - self._started, time.process_time() - self._core_started
        report = {
            "device": torch.cuda.get_device_name() if self._cuda else "cpu",
            "threads": torch.get_num_threads(),
            "precision": str(trainer.precision),
            "compiled": bool(model_of(pl_module).compiled),
            **self._model,
            "steps": self._steps,
            "audio_seconds_per_step": round(self._audio_seconds / self._steps, 2),
            "audio_seconds_per_second": round(self._audio_seconds / seconds, 1),
            "seconds_per_step": round(seconds / self._steps, 5),
            "core_seconds_per_step": round(core_seconds / self._steps, 5),  # of all threads, whoever else is there
            "shares": self._shares(),
            "tokens_per_frame": round(self._tokens / max(1, self._frames), 4),
            "memory_mb": round(self._memory(), 1),
            "synchronizations_per_step": self._synchronizations(),
        }
        write_text(self.out, json.dumps(report, indent=1) + "\n")
        self._marks, self._steps = [], 0

    def _start_measuring(self) -> None:
        if self._cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            self._warnings = self._catching.enter_context(warnings.catch_warnings(record=True))
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
        self._started, self._core_started = time.perf_counter(), time.process_time()
        self._marks = [("", self._clock())]

    def _mark(self, phase: str) -> None:
        """Attribute the time since the last mark to a phase."""
        if self._marks:
            self._marks.append((phase, self._clock()))

    def _clock(self) -> Clock:
        if not self._cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    def _timed(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._mark("forward")
            result = function(*args, **kwargs)
            self._mark(phase)
            return result

        return timed

    def _shares(self) -> dict[str, float]:
        seconds = dict.fromkeys(PHASES, 0.0)
        for (_, before), (phase, after) in itertools.pairwise(self._marks):
            seconds[phase] += elapsed(before, after)
        total = sum(seconds.values())
        return {phase: round(seconds[phase] / total, 4) for phase in PHASES}

    def _memory(self) -> float:
        """Return the peak memory in MB: of the GPU if there is one, otherwise of the process."""
        if self._cuda:
            return torch.cuda.max_memory_allocated() / 1e6
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3

    def _synchronizations(self) -> float | None:
        """Return how often a step made the host wait for the device; None without a GPU."""
        if not self._cuda:
            return None
        torch.cuda.set_sync_debug_mode("default")
        self._catching.close()
        count = sum(SYNCHRONIZED in str(warning.message) for warning in self._warnings)
        return round(count / self._steps, 2)


def elapsed(before: Clock, after: Clock) -> float:
    """Return the time between two marks, both on the host (s) or both on the device (ms)."""
    if isinstance(before, float):
        assert isinstance(after, float)
        return after - before
    assert isinstance(after, torch.cuda.Event)
    return float(before.elapsed_time(after))


def model_size(model: Recognizer) -> dict[str, float]:
    """Return the number of parameters, and the network's multiply-adds per second of audio."""
    seconds = 10
    audio = torch.zeros(1, seconds * model.sample_rate)
    training = model.training
    counter = FlopCounterMode(display=False)
    with torch.no_grad():
        x, lengths = model.eval().features(audio, torch.tensor([audio.shape[1]]))
        with counter:
            model.head(model.encoder(x, lengths)[0])
    model.train(training)
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "multiply_adds_per_audio_second": round(counter.get_total_flops() / 2 / seconds),
    }
