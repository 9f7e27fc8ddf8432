"""CER and WER of every domain while validating and testing, and the table that a test leaves behind."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from lightning import LightningModule, Trainer
from rich.console import Console

from stt.callbacks.evaluation import PREFIX, Evaluation, Split
from stt.data.batch import Batch, LeftOut
from stt.metrics.domain_error_rates import DomainErrorRates
from stt.metrics.error_rate import ErrorRate, mean_over_domains
from stt.metrics.summary import groups, print_table, summarize, write_results
from stt.ranks import gathered
from stt.task import SpeechRecognizer


class DomainErrorRatesCallback(Evaluation):
    """Logs `val/cer/<domain>`, `val/wer/<domain>` and unweighted means; writes `test_metrics.json`.

    Means over domains: `mean` over all, `in_domain` and `out_of_domain` over those that were and
    were not trained on. A test prints a table as well.
    """

    def __init__(self) -> None:
        """Start without a split."""
        self._rates: DomainErrorRates | None = None
        self._left_out: list[LeftOut] = []

    def start(self, trainer: Trainer, pl_module: LightningModule, split: Split) -> None:
        """Start counting."""
        domains = trainer.datamodule.domains(split)  # type: ignore[attr-defined]
        self._rates = DomainErrorRates(domains).to(pl_module.device)
        self._left_out = []

    def take(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, split: Split) -> None:
        """Count a batch."""
        assert self._rates is not None
        self._left_out += batch.left_out
        texts = [hypothesis.text for hypothesis in outputs["hypotheses"]]
        self._rates.update(batch.domains, batch.references, texts, batch.seconds)

    def finish(self, trainer: Trainer, pl_module: LightningModule, split: Split) -> None:
        """Log the error rates; of a validation say them in a line, of a test write and print them."""
        rates = self._log(pl_module, PREFIX[split])
        if split == "test":
            self._write(trainer, cast(SpeechRecognizer, pl_module), rates)
        elif trainer.is_global_zero and not trainer.sanity_checking:
            mean = mean_over_domains(rates)
            by_domain = ", ".join(f"{domain} {100 * rate.cer:.1f}" for domain, rate in rates.items())
            print(
                f"step {trainer.global_step}: CER {100 * mean['cer']:.1f} %, WER {100 * mean['wer']:.1f} %; "
                f"CER by domain: {by_domain}",
                flush=True,
            )

    def _write(self, trainer: Trainer, model: SpeechRecognizer, rates: dict[str, ErrorRate]) -> None:
        left_out = [item for part in gathered(trainer, self._left_out) for item in part]
        if trainer.is_global_zero:
            results = summarize(rates, model.train_domains, model.normalizer.name)
            results["left_out"] = [asdict(item) for item in left_out]
            path = Path(trainer.default_root_dir) / "test_metrics.json"
            write_results(results, path)
            print_table(results)
            Console().print(f"written to {path}", highlight=False)

    def _log(self, pl_module: LightningModule, prefix: str) -> dict[str, ErrorRate]:
        assert self._rates is not None
        rates: dict[str, ErrorRate] = self._rates.compute()
        values: dict[str, float] = {f"{prefix}/left_out": float(len(self._left_out))}
        for domain, rate in rates.items():
            values[f"{prefix}/cer/{domain}"] = rate.cer
            values[f"{prefix}/wer/{domain}"] = rate.wer
        for group, members in groups(rates, cast(SpeechRecognizer, pl_module).train_domains).items():
            for kind, value in mean_over_domains(members).items():
                values[f"{prefix}/{kind}/{group}"] = value
        pl_module.log_dict(values)
        return rates
