"""The decoder that the configuration names, beside the greedy one: its error rates, or, predicting, its texts."""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial
from typing import Any

from lightning import LightningModule, Trainer

from stt.data.batch import Batch
from stt.decoding.options import BeamOptions, CustomDecoder, DecoderOptions, PostProcessor
from stt.decoding.workers import DecodingPool
from stt.metrics.counters import DomainCounters
from stt.metrics.summary import print_table, summarize, values_to_log, write_results
from stt.recognition.decoders import build_decoder
from stt.runs.metric_names import DECODED
from stt.training.callbacks.access import data_of, folder_of, model_of
from stt.training.callbacks.evaluation import Evaluation, Split


class ConfiguredDecoder(Evaluation):
    """Logs `val/<metric>_lm/<domain>` and their means; a test writes `test_metrics_lm.json`.

    Off unless there is a beam search, a custom decoder or a post-processor. It runs in worker processes; only the end
    of a validation waits for it.
    """

    def __init__(
        self,
        beam: BeamOptions | None = None,
        custom: CustomDecoder | None = None,
        postprocessor: PostProcessor | None = None,
        num_workers: int | None = None,
    ) -> None:
        """Say how to decode, as `transcribe` does.

        Args:
            beam: search with these options; None takes the best token of every frame.
            custom: decode with this one instead.
            postprocessor: rewrites the texts, such as `stt.correction.Correction`.
            num_workers: processes; None takes all cores.
        """
        self.options = DecoderOptions(beam, custom, postprocessor)
        self.num_workers = num_workers
        self._pool: DecodingPool | None = None
        self._waiting: list[tuple[Batch, list[Future[str]]]] = []

    @property
    def is_on(self) -> bool:
        """Whether anything but greedy decoding is asked for."""
        return self.options != DecoderOptions()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Start the pool, which says what is wrong with the options."""
        if self.is_on and self._pool is None:
            recognizer = model_of(pl_module).recognizer
            build = partial(build_decoder, self.options)
            self._pool = DecodingPool(build, recognizer.tokenizer, recognizer.normalizer.name, self.num_workers)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def take(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, split: Split) -> None:
        """Hand a batch to the pool."""
        if self._pool is not None:
            self._waiting.append((batch, self.submit(outputs, len(batch))))

    def submit(self, outputs: Any, count: int) -> list[Future[str]]:
        """Hand the first `count` utterances of a step to the pool; each will give its text."""
        assert self._pool is not None
        log_probs, frames = outputs["log_probs"].cpu().numpy(), outputs["frames"].tolist()
        return [self._pool.submit(log_probs[i, : frames[i]]) for i in range(count)]

    def finish(self, trainer: Trainer, pl_module: LightningModule, split: Split) -> None:
        """Wait for the pool and log; of a test write and print the table."""
        if self._pool is None:
            return
        recognizer, metrics = model_of(pl_module).recognizer, model_of(pl_module).metrics
        counters = DomainCounters(data_of(trainer).domains(split), metrics).to(pl_module.device)
        for batch, futures in self._waiting:
            texts = [future.result() for future in futures]
            counters.update(batch.domains, batch.references, texts, batch.seconds)
        self._waiting = []
        figures = counters.compute()
        pl_module.log_dict(values_to_log(figures, split, recognizer.train_domains, suffix=DECODED))
        if split == "test" and trainer.is_global_zero:
            results = summarize(figures, recognizer.train_domains, recognizer.normalizer.name, metrics)
            write_results(results, folder_of(trainer).decoder_results)
            print("with the decoder of the configuration:")
            print_table({**results, "skipped": []})
