"""A few transcripts of every domain beside their references, written at each validation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jiwer
from lightning import Callback, LightningModule, Trainer

from stt.data.batch import Batch
from stt.files import written_aside
from stt.metrics.error_rate import character_error_rate


class Transcripts(Callback):
    """Writes `transcripts/step-N.txt` with aligned samples, always of the same utterances; a table to W&B."""

    def __init__(self, per_domain: int = 3) -> None:
        """Show so many utterances of each domain."""
        self.per_domain = per_domain
        self._seen: dict[str, list[tuple[int, str, str, str]]] = {}

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start anew."""
        self._seen = {}

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep the first rows of each domain."""
        for row, name, domain, reference, hypothesis in zip(
            batch.rows, batch.names, batch.domains, batch.references, outputs["hypotheses"], strict=True
        ):
            samples = self._seen.setdefault(domain, [])
            samples.append((row, name, reference, hypothesis.text))
            samples.sort()
            del samples[self.per_domain :]

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the samples."""
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        path = Path(trainer.default_root_dir) / "transcripts" / f"step-{trainer.global_step:07d}.txt"
        with written_aside(path) as aside:
            aside.write_text(self._text(), encoding="utf-8")
        rows = [
            [domain, name, reference, hypothesis, character_error_rate(reference, hypothesis)]
            for domain, samples in sorted(self._seen.items())
            for _, name, reference, hypothesis in samples
        ]
        for logger in trainer.loggers:
            if hasattr(logger, "log_table"):
                columns = ["domain", "utterance", "reference", "hypothesis", "cer"]
                logger.log_table("val/transcripts", columns=columns, data=rows, step=trainer.global_step)

    def _text(self) -> str:
        parts = []
        for domain, samples in sorted(self._seen.items()):
            for _, name, reference, hypothesis in samples:
                parts.append(f"{domain}  {name}  CER {character_error_rate(reference, hypothesis):.3f}\n")
                parts.append(_aligned(reference, hypothesis) + "\n")
        return "".join(parts)


def _aligned(reference: str, hypothesis: str) -> str:
    if not reference:
        return f"REF:\nHYP: {hypothesis}\n"
    alignment = jiwer.process_words([reference], [hypothesis])
    lines = jiwer.visualize_alignment(alignment, show_measures=False, skip_correct=False).splitlines()
    return "\n".join(line for line in lines if line.startswith(("REF:", "HYP:", "     "))) + "\n"
