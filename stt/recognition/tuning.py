"""Tune language model weights on a validation manifest; the network runs only once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stt.corpus.manifest import Manifest
from stt.decoding.beam import BeamSearch
from stt.decoding.options import BeamOptions, DecoderOptions
from stt.decoding.workers import DecodingPool
from stt.errors import InputError
from stt.metrics.domain_results import mean_over_domains
from stt.progress import track
from stt.recognition.decoders import build_decoder
from stt.recognition.evaluate import NetworkOutput, collect_outputs, error_rates_of_outputs
from stt.recognition.recognizer import Recognizer

ALPHAS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3)
BETAS = (-1.0, 0.0, 1.0, 2.0, 3.0, 4.5)
WIDTHS = (10, 25, 50, 100)


class Trial(NamedTuple):
    """Search parameters to evaluate."""

    alpha: float
    beta: float
    beam_width: int


@dataclass(frozen=True)
class TuningResult:
    """WER (mean over domains) for all pairs of weights, and for several beam widths at the best pair."""

    alphas: list[float]
    betas: list[float]
    wers: npt.NDArray[np.float64]  # (alpha, beta)
    widths: dict[int, float]  # WER by beam width
    greedy: float  # WER of greedy decoding
    options: BeamOptions  # best options

    @property
    def wer(self) -> float:
        """WER of the best options."""
        return self.widths[self.options.beam_width]


def tune(
    model: Recognizer,
    manifest: Manifest,
    options: BeamOptions,
    alphas: Sequence[float] = ALPHAS,
    betas: Sequence[float] = BETAS,
    widths: Sequence[int] = WIDTHS,
    max_per_domain: int = 200,
    num_workers: int | None = None,
) -> TuningResult:
    """Evaluate all pairs of weights at the beam width of the options, then all beam widths at the best pair.

    Args:
        model: the recognizer.
        manifest: validation data, distinct from the test data.
        options: options with a language model; its weights and beam width are tuned.
        alphas: language model weights to try.
        betas: word rewards to try.
        widths: beam widths to try; the narrowest whose WER is within 0.001 of the best is chosen.
        max_per_domain: decode only the first utterances of each domain.
        num_workers: number of processes; None: one per core.

    Raises:
        InputError: there is no language model, or it does not fit the recognizer.
    """
    if not options.lm:
        raise InputError("tuning requires a language model")
    build = partial(build_decoder, DecoderOptions(options))
    pool = DecodingPool(build, model.tokenizer, model.normalizer.name, num_workers)
    try:
        outputs = collect_outputs(model, manifest, max_per_domain)
        pairs = [Trial(alpha, beta, options.beam_width) for alpha, beta in itertools.product(alphas, betas)]
        wers = np.array(_wers(pool, outputs, pairs, "weights")).reshape(len(alphas), len(betas))
        best = pairs[int(wers.argmin())]
        by_beam = [best._replace(beam_width=width) for width in sorted({*widths, options.beam_width})]
        by_width = dict(
            zip((trial.beam_width for trial in by_beam), _wers(pool, outputs, by_beam, "beam widths"), strict=True)
        )
    finally:
        pool.close()
    beam_width = next(width for width, wer in by_width.items() if wer <= min(by_width.values()) + 0.001)
    tuned = replace(options, alpha=best.alpha, beta=best.beta, beam_width=beam_width)
    greedy = _mean_wer(outputs, [output.greedy.text for output in outputs])
    return TuningResult(list(alphas), list(betas), wers, by_width, greedy, tuned)


def _wers(pool: DecodingPool, outputs: list[NetworkOutput], trials: list[Trial], what: str) -> list[float]:
    """Return the WER of every trial; each utterance is sent to a worker once, for all trials."""
    futures = [pool.call(_texts, output.log_probs, trials) for output in outputs]
    texts = [future.result() for future in track(futures, f"tuning {what}")]
    return [_mean_wer(outputs, [by_trial[i] for by_trial in texts]) for i in range(len(trials))]


def _texts(search: BeamSearch, log_probs: npt.NDArray[np.float32], trials: list[Trial]) -> list[str]:
    texts = []
    for alpha, beta, beam_width in trials:
        search.set_weights(alpha, beta)
        texts.append(search.beams(log_probs, beam_width)[0].text)
    return texts


def _mean_wer(outputs: list[NetworkOutput], texts: list[str]) -> float:
    return mean_over_domains(error_rates_of_outputs(outputs, texts))["wer"]
