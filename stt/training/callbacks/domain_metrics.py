"""Metrics by domain for validation and test, and the table of test results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from lightning import LightningModule, Trainer
from rich.console import Console

from stt.data.batch import Batch, Skipped
from stt.data.completeness import Completeness, in_manifest_order
from stt.metrics.counters import DomainCounters
from stt.metrics.domain_metric import format_value
from stt.metrics.domain_results import DomainResult, mean_over_domains, with_skipped
from stt.metrics.summary import print_table, summarize, values_to_log, write_results
from stt.runs.metric_names import PREFIX, SKIPPED_UTTERANCES, Split, domain_metric_name
from stt.training.callbacks.access import data_of, folder_of, is_short_sanity_check, is_trial, model_of
from stt.training.callbacks.evaluation import Evaluation
from stt.training.distributed import all_gather


class DomainMetrics(Evaluation):
    """Logs `val/<metric>/<domain>` and unweighted means over domains, by greedy decoding; writes `test_metrics.json`.

    The metrics are CER, WER and those of `model.metrics`. Means: `mean` over all domains, `in_domain` and
    `out_of_domain` over those that were and were not trained on. Testing also prints a table.
    `val/skipped/<domain>` counts the utterances that the metrics lack; above `data.max_skipped_share` of a domain they
    end the run.
    """

    def __init__(self) -> None:
        """Start without counters."""
        self._counters: DomainCounters | None = None
        self._skipped: list[Skipped] = []
        self._completeness = Completeness()

    def start(self, trainer: Trainer, pl_module: LightningModule, split: Split) -> None:
        """Reset the counters."""
        self._counters = DomainCounters(data_of(trainer).domains(split), model_of(pl_module).metrics)
        self._counters.to(pl_module.device)
        self._skipped = []
        self._completeness = Completeness()

    def update(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, split: Split) -> None:
        """Count the errors of a batch."""
        assert self._counters is not None
        self._skipped += batch.skipped
        self._completeness.add(batch)
        texts = [hypothesis.text for hypothesis in outputs["hypotheses"]]
        self._counters.update(batch.domains, batch.references, texts, batch.seconds)

    def finish(self, trainer: Trainer, pl_module: LightningModule, split: Split) -> None:
        """Log the metrics; print one line for a validation, write and print a table for a test.

        Raises:
            InputError: too many utterances of a domain were skipped.
        """
        assert self._counters is not None
        completeness = Completeness.merged(all_gather(trainer, self._completeness))
        if not is_trial(trainer):
            completeness.check(data_of(trainer).max_skipped_share, "--data.max_skipped_share")
        figures: dict[str, DomainResult] = with_skipped(self._counters.compute(), completeness.skipped)
        recognizer = model_of(pl_module).recognizer
        counts = skipped_to_log(completeness, split, data_of(trainer).domains(split))
        pl_module.log_dict({**counts, **values_to_log(figures, split, recognizer.train_domains)})
        if split == "test":
            skipped = in_manifest_order(all_gather(trainer, self._skipped))
            if trainer.is_global_zero:
                metrics = model_of(pl_module).metrics
                results = summarize(figures, recognizer.train_domains, recognizer.normalizer.name, metrics)
                results["skipped"] = [asdict(item) for item in skipped]
                write_results(results, folder_of(trainer).results)
                print_table(results)
                Console().print(f"written to {folder_of(trainer).results}", highlight=False)
        elif trainer.is_global_zero and not is_short_sanity_check(trainer):
            self._print_line(trainer, pl_module, figures, completeness)

    def _print_line(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        figures: dict[str, DomainResult],
        completeness: Completeness,
    ) -> None:
        mean, metrics = mean_over_domains(figures), model_of(pl_module).metrics
        means = ", ".join(
            f"{one.title} {format_value(mean[one.name], one.unit, 1)} {one.unit}" for one in metrics if one.name in mean
        )
        first = metrics[0]
        by_domain = ", ".join(
            f"{domain} {format_value(one.values[first.name], first.unit, 1)}" for domain, one in figures.items()
        )
        line = f"step {trainer.global_step}: {means}; {first.title} by domain: {by_domain}"
        skipped = completeness.describe()
        print(f"{line}; {skipped}" if skipped else line, flush=True)


def skipped_to_log(completeness: Completeness, split: Split, domains: Sequence[str]) -> dict[str, float]:
    """Return the number of skipped utterances, in total and by domain, by logged name."""
    by_domain = {
        domain_metric_name(split, SKIPPED_UTTERANCES, domain): float(completeness.skipped[domain]) for domain in domains
    }
    return {f"{PREFIX[split]}/{SKIPPED_UTTERANCES}": float(completeness.skipped.total()), **by_domain}
