"""Finds the weights of a language model on a validation manifest, from outputs of the network computed once."""

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
from stt.recognition.evaluate import Output, rates_of_outputs, readable_outputs
from stt.recognition.recognizer import Recognizer

ALPHAS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3)
BETAS = (-1.0, 0.0, 1.0, 2.0, 3.0, 4.5)
WIDTHS = (10, 25, 50, 100)


class Setting(NamedTuple):
    """What is tried."""

    alpha: float
    beta: float
    beam_width: int


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


def tune(
    model: Recognizer,
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
    build = partial(build_decoder, DecoderOptions(options))
    pool = DecodingPool(build, model.tokenizer, model.normalizer.name, num_workers)
    try:
        outputs = readable_outputs(model, manifest, most)
        pairs = [Setting(alpha, beta, options.beam_width) for alpha, beta in itertools.product(alphas, betas)]
        wers = np.array(_wers(pool, outputs, pairs, "weights")).reshape(len(alphas), len(betas))
        best = pairs[int(wers.argmin())]
        wide = [best._replace(beam_width=width) for width in sorted({*widths, options.beam_width})]
        by_width = dict(zip((w.beam_width for w in wide), _wers(pool, outputs, wide, "widths"), strict=True))
    finally:
        pool.close()
    enough = next(width for width, wer in by_width.items() if wer <= min(by_width.values()) + 0.001)
    chosen = replace(options, alpha=best.alpha, beta=best.beta, beam_width=enough)
    greedy = _mean_wer(outputs, [output.greedy.text for output in outputs])
    return Tuning(list(alphas), list(betas), wers, by_width, greedy, chosen)


def _wers(pool: DecodingPool, outputs: list[Output], settings: list[Setting], what: str) -> list[float]:
    """WER of every setting; an utterance is decoded with all of them before its outputs are let go."""
    futures = [pool.ask(_texts, output.log_probs, settings) for output in outputs]
    texts = [future.result() for future in track(futures, f"trying {what}")]
    return [_mean_wer(outputs, [found[i] for found in texts]) for i in range(len(settings))]


def _texts(search: BeamSearch, log_probs: npt.NDArray[np.float32], settings: list[Setting]) -> list[str]:
    texts = []
    for alpha, beta, beam_width in settings:
        search.reset(alpha, beta)
        texts.append(search.beams(log_probs, beam_width)[0].text)
    return texts


def _mean_wer(outputs: list[Output], texts: list[str]) -> float:
    return mean_over_domains(rates_of_outputs(outputs, texts))["wer"]
