"""Finds the weights of a language model on a validation manifest, from outputs of the network computed once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from stt.corpus.manifest import Manifest
from stt.data.batch import Utterance, collate
from stt.data.dataset import UtteranceDataset
from stt.data.loader import sorted_batches
from stt.decoding.beam import BeamOptions
from stt.decoding.greedy import greedy_decode
from stt.decoding.pool import DecodingPool, Setting
from stt.errors import InputError
from stt.metrics.error_rate import DomainErrorRates, ErrorRate, mean_over_domains
from stt.progress import track
from stt.task import SpeechRecognizer

ALPHAS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3)
BETAS = (-1.0, 0.0, 1.0, 2.0, 3.0, 4.5)
WIDTHS = (10, 25, 50, 100)
BATCH_SECONDS = 120.0


@dataclass(frozen=True)
class Tuning:
    """WER, mean over domains, for all pairs of weights, and for some widths at the best pair."""

    alphas: list[float]
    betas: list[float]
    wers: npt.NDArray[np.float64]  # (alpha, beta)
    widths: dict[int, float]
    greedy: float
    options: BeamOptions  # the best of all

    @property
    def wer(self) -> float:
        """WER of the best."""
        return self.widths[self.options.beam_width]


@dataclass(frozen=True)
class Output:
    """What the network made of an utterance."""

    utterance: Utterance
    log_probs: npt.NDArray[np.float32]  # (frame, vocab)
    greedy: str


def tune(
    model: SpeechRecognizer,
    manifest: Manifest,
    options: BeamOptions,
    alphas: Sequence[float] = ALPHAS,
    betas: Sequence[float] = BETAS,
    widths: Sequence[int] = WIDTHS,
    most: int = 200,
    num_workers: int | None = None,
) -> Tuning:
    """Try all pairs of weights at the width of the options, then all widths at the best pair.

    Args:
        model: the recognizer.
        manifest: to validate on: not what is tested on afterwards.
        options: with a language model; its weights and width are what is looked for.
        alphas: weights of the language model to try.
        betas: rewards of a word to try.
        widths: widths of the beam to try; the narrowest that is not worse by more than a thousandth is taken.
        most: utterances of each domain that are decoded, the first ones.
        num_workers: processes; None takes all cores.

    Raises:
        InputError: there is no language model, or it does not fit.
    """
    if not options.lm:
        raise InputError("there is nothing to tune without a language model")
    pool = DecodingPool(model.tokenizer, model.normalizer.name, options, num_workers)
    try:
        outputs = list(compute_outputs(model, manifest, most))
        pairs = [Setting(alpha, beta, options.beam_width) for alpha, beta in itertools.product(alphas, betas)]
        wers = np.array(_wers(pool, manifest, outputs, pairs, "weights")).reshape(len(alphas), len(betas))
        best = pairs[int(wers.argmin())]
        wide = [best._replace(beam_width=width) for width in sorted({*widths, options.beam_width})]
        by_width = dict(zip((w.beam_width for w in wide), _wers(pool, manifest, outputs, wide, "widths"), strict=True))
    finally:
        pool.close()
    enough = next(width for width, wer in by_width.items() if wer <= min(by_width.values()) + 0.001)
    chosen = replace(options, alpha=best.alpha, beta=best.beta, beam_width=enough)
    greedy = _mean_wer(manifest, outputs, [output.greedy for output in outputs])
    return Tuning(list(alphas), list(betas), wers, by_width, greedy, chosen)


@torch.inference_mode()
def compute_outputs(model: SpeechRecognizer, manifest: Manifest, most: int | None = None) -> Iterator[Output]:
    """Run the network over the first `most` utterances of every domain (None: over all).

    Raises:
        InputError: a file cannot be read.
    """
    dataset = UtteranceDataset(manifest, model, training=False)
    rows = np.concatenate([rows[:most] for rows in manifest.rows_by_domain()])
    batches = sorted_batches(manifest.durations[rows], BATCH_SECONDS)
    for places in track(batches, "computing outputs"):
        items = [dataset[int(row)] for row in rows[places]]
        for item in items:
            if not isinstance(item, Utterance):
                raise InputError(item.reason)
        batch = collate(items).to(model.device)
        log_probs, frames = model(batch.waveforms, batch.lengths)
        hypotheses = greedy_decode(log_probs, frames, model.tokenizer)
        for item, values, count, hypothesis in zip(items, log_probs.cpu(), frames.tolist(), hypotheses, strict=True):
            assert isinstance(item, Utterance)
            yield Output(item, values[:count].numpy(), hypothesis.text)


def error_rates(manifest: Manifest, outputs: Sequence[Output], texts: Sequence[str]) -> dict[str, ErrorRate]:
    """Error rates by domain of a text for each output."""
    rates = DomainErrorRates(manifest.domains)
    spoken = [output.utterance for output in outputs]
    rates.update([u.domain for u in spoken], [u.reference for u in spoken], texts, [u.seconds for u in spoken])
    computed: dict[str, ErrorRate] = rates.compute()
    return computed


def _wers(
    pool: DecodingPool, manifest: Manifest, outputs: list[Output], settings: list[Setting], what: str
) -> list[float]:
    """WER of every setting; an utterance is decoded with all of them before its outputs are let go."""
    futures = [pool.submit(output.log_probs, settings) for output in outputs]
    texts = [future.result() for future in track(futures, f"trying {what}")]
    return [_mean_wer(manifest, outputs, [found[i] for found in texts]) for i in range(len(settings))]


def _mean_wer(manifest: Manifest, outputs: list[Output], texts: list[str]) -> float:
    return mean_over_domains(error_rates(manifest, outputs, texts))["wer"]
