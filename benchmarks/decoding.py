"""Beam search with a 4-gram on real outputs of trained networks: WER versus audio seconds per core-second.

Language models are trained only on the texts of the training manifests. Times are CPU seconds of one process, the
fastest of three runs, to reduce the effect of other work on the machine. The same outputs are also decoded with
pyctcdecode, with and without pruning, and with flashlight-text (torchaudio's `ctc_decoder`), if that is installed.

    make demo && make fsdd && pip install flashlight-text && python benchmarks/decoding.py
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kenlm
import torch
from common import write_report
from pyctcdecode.alphabet import Alphabet
from pyctcdecode.decoder import BeamSearchDecoderCTC
from pyctcdecode.language_model import LanguageModel

from stt.corpus.manifest import Manifest, read_manifest
from stt.decoding.beam import BeamSearch
from stt.decoding.language_model import read_description
from stt.decoding.options import BeamOptions
from stt.decoding.train_lm import train_language_model
from stt.metrics.domain_results import mean_over_domains
from stt.recognition.evaluate import NetworkOutput, collect_outputs, error_rates_of_outputs
from stt.recognition.recognizer import Recognizer
from stt.text.tokenizer import WORD_START

ALPHA, BETA = 0.4, 2.0  # found by `stt lm tune` for the demo
MAX_REPEAT_SECONDS = 30.0  # slower measurements are not repeated
SETTINGS = [
    *({"beam_width": width, "token_min_logp": -8.0, "beam_prune_logp": -8.0} for width in (10, 25, 50, 100)),
    *({"beam_width": 50, "token_min_logp": logp, "beam_prune_logp": -8.0} for logp in (-4.0, -6.0, -10.0)),
    *({"beam_width": 50, "token_min_logp": -8.0, "beam_prune_logp": logp} for logp in (-6.0, -7.0, -10.0)),
]
# Even here tokens below 1/20,000 are pruned: with all 300 tokens an utterance takes some ten seconds.
UNPRUNED = {"beam_width": 200, "token_min_logp": -10.0, "beam_prune_logp": -1000.0}
PYCTCDECODE_SETTINGS = [SETTINGS[2], {"beam_width": 50, "token_min_logp": -4.0, "beam_prune_logp": -10.0}]
INVISIBLE = "\u2060"  # appended to a bare word-start mark, which pyctcdecode would also treat as a word end


def main() -> None:
    """Run all measurements and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", type=Path, default=Path("runs/demo/checkpoints/best.ckpt"))
    parser.add_argument("--digits", type=Path, default=Path("runs/fsdd/checkpoints/best.ckpt"))
    parser.add_argument("--corpora", type=Path, default=Path("corpora"))
    parser.add_argument("--work", type=Path, default=Path("runs/decoding"))
    parser.add_argument("--utterances", type=int, default=40, help="number of utterances per domain")
    parser.add_argument("--out", type=Path, default=Path("docs/results/decoding.json"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    results = {}
    for name, checkpoint in {"demo": args.demo, "fsdd": args.digits}.items():
        model = Recognizer.load(checkpoint)
        lm = args.work / f"{name}.binary"
        train_language_model(
            read_manifest(args.corpora / name / "train.parquet").table["text"].to_pylist(), lm, model.normalizer
        )
        results[name] = measure(model, read_manifest(args.corpora / name / "test.parquet"), lm, args.utterances)
        print(json.dumps({name: results[name]}, indent=1), flush=True)
    write_report(args.out, {"alpha": ALPHA, "beta": BETA, "utterances_a_domain": args.utterances, "models": results})


def measure(model: Recognizer, manifest: Manifest, lm: Path, max_per_domain: int) -> dict[str, Any]:
    """Decode a test set with all decoders and settings."""
    outputs = collect_outputs(model, manifest, max_per_domain)
    seconds = sum(output.utterance.seconds for output in outputs)

    def time_decoder(decode: Callable[[NetworkOutput], str], settings: dict[str, Any]) -> dict[str, Any]:
        times: list[float] = []
        while len(times) < 3 and sum(times) < MAX_REPEAT_SECONDS:
            started = time.process_time()
            texts = [decode(output) for output in outputs]
            times.append(time.process_time() - started)
        by_domain = error_rates_of_outputs(outputs, texts)
        return {
            **settings,
            "audio_seconds_per_core_second": round(seconds / min(times)),
            "wer": round(mean_over_domains(by_domain)["wer"], 4),
            "wer_by_domain": {domain: round(rate.wer, 4) for domain, rate in by_domain.items()},
        }

    greedy = error_rates_of_outputs(outputs, [output.greedy.text for output in outputs])
    baseline: dict[str, Any] = {
        "greedy_wer": round(mean_over_domains(greedy)["wer"], 4),
        "greedy_wer_by_domain": {domain: round(rate.wer, 4) for domain, rate in greedy.items()},
    }
    decoders: list[tuple[dict[str, Any], Callable[[NetworkOutput], str]]] = []
    for options in SETTINGS:
        decoders.append((options, beam_search(model, BeamOptions(str(lm), ALPHA, BETA, **options))))  # type: ignore[arg-type]
    for options in PYCTCDECODE_SETTINGS:
        decoders.append(({"decoder": "pyctcdecode", **options}, pyctcdecode_search(model, lm, options)))
    for settings, decode in flashlight(model, lm):
        decoders.append(({"decoder": "flashlight-text", **settings}, decode))
    decoders.append((UNPRUNED, beam_search(model, BeamOptions(str(lm), ALPHA, BETA, **UNPRUNED))))  # type: ignore[arg-type]
    decoders.append(({"decoder": "pyctcdecode", **UNPRUNED}, pyctcdecode_search(model, lm, UNPRUNED)))
    searches = []
    for settings, decode in decoders:
        searches.append(time_decoder(decode, settings))
        print(json.dumps(searches[-1]), flush=True)
    return {**baseline, "searches": searches}


def beam_search(model: Recognizer, options: BeamOptions) -> Callable[[NetworkOutput], str]:
    """Return a decoding function of this project."""
    search = BeamSearch(model.tokenizer, model.normalizer.name, options)
    return lambda output: search.beams(output.log_probs)[0].text


def pyctcdecode_search(model: Recognizer, lm: Path, options: dict[str, Any]) -> Callable[[NetworkOutput], str]:
    """Return a decoding function of pyctcdecode with equivalent scores."""
    words = read_description(lm, model.normalizer.name).words
    labels = [WORD_START + INVISIBLE if piece == WORD_START else piece for piece in model.tokenizer.pieces]
    scorer = InvisibleMarkLanguageModel(kenlm.Model(str(lm)), words, ALPHA, BETA, BeamOptions.unknown_score)
    decoder = BeamSearchDecoderCTC(Alphabet(labels, is_bpe=True), scorer)

    def decode(output: NetworkOutput) -> str:
        log_probs: Any = output.log_probs  # its type stubs do not match float32
        return decoder.decode_beams(log_probs, prune_history=True, **options)[0][0].replace(INVISIBLE, "")

    return decode


class InvisibleMarkLanguageModel(LanguageModel):
    """pyctcdecode's language model, with the invisible mark removed from words."""

    def score_partial_token(self, partial_token: str) -> float:
        """Score a partial word."""
        plain = partial_token.replace(INVISIBLE, "")
        return float(super().score_partial_token(plain)) if plain else 0.0

    def score(self, prev_state: kenlm.State, word: str, is_last_word: bool = False) -> tuple[float, kenlm.State]:
        """Score a word."""
        scored: tuple[float, kenlm.State] = super().score(prev_state, word.replace(INVISIBLE, ""), is_last_word)
        return scored


def flashlight(model: Recognizer, lm: Path) -> Iterator[tuple[dict[str, Any], Callable[[NetworkOutput], str]]]:
    """Yield flashlight-text decoders with the same language model, beam width and words, if it is installed."""
    try:
        from torchaudio.models.decoder import ctc_decoder
    except (ImportError, RuntimeError):
        return
    words = read_description(lm, model.normalizer.name).words
    tokens = ["<blank>", *model.tokenizer.pieces[1:]]
    lexicon, list_of_tokens = lm.with_suffix(".lexicon"), lm.with_suffix(".tokens")
    lexicon.write_text("".join(f"{w} {' '.join(tokens[i] for i in model.tokenizer.encode(w))}\n" for w in words))
    list_of_tokens.write_text("".join(f"{token}\n" for token in tokens))
    for max_tokens, threshold in ((len(tokens), 50.0), (20, 8.0)):
        decoder = ctc_decoder(
            str(lexicon),
            str(list_of_tokens),
            lm=str(lm),
            beam_size=50,
            beam_size_token=max_tokens,
            beam_threshold=threshold,
            lm_weight=ALPHA * math.log(10),  # its KenLM scores are log10
            word_score=BETA,
            log_add=True,
            blank_token="<blank>",
            sil_token="<blank>",
        )

        def decode(output: NetworkOutput, decoder: Any = decoder) -> str:
            return " ".join(decoder(torch.from_numpy(output.log_probs).unsqueeze(0))[0][0].words)

        yield {"beam_width": 50, "tokens_a_frame": max_tokens, "beam_prune_logp": -threshold}, decode


if __name__ == "__main__":
    main()
