"""CER and WER of every domain while validating and testing, and the table that a test leaves behind."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from lightning import LightningModule, Trainer
from rich.console import Console
from rich.table import Table

from stt.callbacks.evaluation import PREFIX, Evaluation, Split
from stt.data.batch import Batch, LeftOut
from stt.files import written_aside
from stt.metrics.error_rate import DomainErrorRates, ErrorRate, mean_over_domains
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


def groups(rates: dict[str, ErrorRate], train_domains: list[str]) -> dict[str, dict[str, ErrorRate]]:
    """Split error rates into all, trained-on and not-trained-on domains; empty groups are not named."""
    split = {
        "mean": rates,
        "in_domain": {domain: rate for domain, rate in rates.items() if domain in train_domains},
        "out_of_domain": {domain: rate for domain, rate in rates.items() if domain not in train_domains},
    }
    return {name: members for name, members in split.items() if members}


def summarize(rates: dict[str, ErrorRate], train_domains: list[str], normalizer: str) -> dict[str, Any]:
    """Make the content of `test_metrics.json`: the normalizer, means, and every domain."""
    return {
        "normalizer": normalizer,
        **{name: mean_over_domains(members) for name, members in groups(rates, train_domains).items()},
        "domains": {domain: {**asdict(rate), "in_training": domain in train_domains} for domain, rate in rates.items()},
    }


def write_results(results: dict[str, Any], path: Path) -> None:
    """Write results by domain as JSON."""
    with written_aside(path) as aside:
        aside.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def print_table(results: dict[str, Any]) -> None:
    """Print results by domain."""
    table = Table(title=f"test results, normalizer {results['normalizer']}, CER counts spaces")
    for column in ("domain", "in training", "utterances", "hours", "CER %", "WER %"):
        table.add_column(column, justify="left" if column == "domain" else "right")
    for domain, rate in results["domains"].items():
        trained = "yes" if rate["in_training"] else "no"
        size = [str(rate["utterances"]), f"{rate['hours']:.2f}"]
        table.add_row(domain, trained, *size, f"{100 * rate['cer']:.2f}", f"{100 * rate['wer']:.2f}")
    for name in ("mean", "in_domain", "out_of_domain"):
        if name in results:
            mean = results[name]
            table.add_row(name.replace("_", " "), "", "", "", f"{100 * mean['cer']:.2f}", f"{100 * mean['wer']:.2f}")
    if results["left_out"]:
        table.caption = f"{len(results['left_out'])} utterances could not be read and are left out"
    Console().print(table)
