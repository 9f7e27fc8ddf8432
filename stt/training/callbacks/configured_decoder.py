"""Error rates, or predictions, of the configured decoder, in addition to the greedy ones."""

from __future__ import annotations

import os
from concurrent.futures import Future
from functools import partial
from typing import Any

from lightning import LightningModule, Trainer

from stt.data.batch import Batch
from stt.data.completeness import Completeness
from stt.decoding.options import BeamOptions, CustomDecoder, DecoderOptions, PostProcessor
from stt.decoding.workers import DecodingPool
from stt.metrics.counters import DomainCounters
from stt.metrics.domain_results import DomainResult, with_skipped
from stt.metrics.summary import print_table, summarize, values_to_log, write_results
from stt.recognition.decoders import build_decoder
from stt.runs.metric_names import DECODED, Split
from stt.training.callbacks.access import data_of, folder_of, model_of
from stt.training.callbacks.evaluation import Evaluation
from stt.training.distributed import all_gather


class ConfiguredDecoder(Evaluation):
    """Logs `val/<metric>_lm/<domain>` and their means; testing writes `test_metrics_lm.json`.

    Off unless a beam search, a custom decoder or a post-processor is configured. Decoding runs in worker processes;
    only the end of a validation waits for it.
    """

    def __init__(
        self,
        beam: BeamOptions | None = None,
        custom: CustomDecoder | None = None,
        postprocessor: PostProcessor | None = None,
        num_workers: int | None = None,
    ) -> None:
        """Configure the decoder; the options are those of `transcribe`.

        Args:
            beam: options of the beam search; None decodes greedily.
            custom: decoder to use instead.
            postprocessor: rewrites the transcripts, for example `stt.correction.Correction`.
            num_workers: decoding processes of each rank; 0 decodes in the training process, None uses all cores.
        """
        self.options = DecoderOptions(beam, custom, postprocessor)
        self.num_workers = num_workers
        self._pool: DecodingPool | None = None
        # Domains, references, seconds and texts to come of each batch, but not its audio.
        self._pending: list[tuple[list[str], list[str], list[float], list[Future[str]]]] = []
        self._completeness = Completeness()

    @property
    def is_on(self) -> bool:
        """Whether anything but greedy decoding is configured."""
        return self.options != DecoderOptions()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Start the worker pool, which validates the options."""
        if self.is_on and self._pool is None:
            recognizer = model_of(pl_module).recognizer
            build, workers = partial(build_decoder, self.options), self.num_workers
            if workers is None:
                workers = max(1, (os.cpu_count() or 1) // trainer.num_devices)
            self._pool = DecodingPool(build, recognizer.tokenizer, recognizer.normalizer.name, workers)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Stop the worker processes."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def start(self, trainer: Trainer, pl_module: LightningModule, split: Split) -> None:
        """Forget what an evaluation that was broken off has left."""
        self._pending, self._completeness = [], Completeness()

    def update(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, split: Split) -> None:
        """Submit a batch to the pool."""
        if self._pool is not None:
            futures = self.submit(outputs, len(batch))
            self._pending.append((batch.domains, batch.references, batch.seconds, futures))
            self._completeness.add(batch)

    def submit(self, outputs: Any, count: int) -> list[Future[str]]:
        """Submit the first `count` utterances of a step to the pool; return a future transcript for each."""
        assert self._pool is not None
        log_probs, frames = outputs["log_probs"].cpu().numpy(), outputs["frames"].tolist()
        return [self._pool.submit(log_probs[i, : frames[i]]) for i in range(count)]

    def finish(self, trainer: Trainer, pl_module: LightningModule, split: Split) -> None:
        """Wait for the pool and log the error rates; when testing, also write and print the table."""
        if self._pool is None:
            return
        recognizer, metrics = model_of(pl_module).recognizer, model_of(pl_module).metrics
        counters = DomainCounters(data_of(trainer).domains(split), metrics).to(pl_module.device)
        for domains, references, seconds, futures in self._pending:
            counters.update(domains, references, [future.result() for future in futures], seconds)
        self._pending = []
        skipped = Completeness.merged(all_gather(trainer, self._completeness)).skipped
        figures: dict[str, DomainResult] = with_skipped(counters.compute(), skipped)
        pl_module.log_dict(values_to_log(figures, split, recognizer.train_domains, suffix=DECODED))
        if split == "test" and trainer.is_global_zero:
            results = summarize(figures, recognizer.train_domains, recognizer.normalizer.name, metrics)
            write_results(results, folder_of(trainer).decoder_results)
            print("with the configured decoder:")
            print_table(results)
