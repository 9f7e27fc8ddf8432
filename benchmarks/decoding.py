"""Beam search with a 4-gram on real outputs of trained networks: WER against audio seconds per core-second.

The language models are made of the texts of the training manifests alone. Seconds are those of the processor, in one
process, so that other work on the machine counts little. Beside it, the same outputs through flashlight-text
(torchaudio's `ctc_decoder`), if that is installed.

    make demo && make fsdd && pip install flashlight-text && python benchmarks/decoding.py
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import write_report

from stt.checkpoint import load_recognizer
from stt.corpus.manifest import Manifest, read_manifest
from stt.decoding.beam import BeamOptions, BeamSearch
from stt.decoding.language_model import description_of
from stt.decoding.train_lm import train_language_model
from stt.inference.tuning import Output, compute_outputs, error_rates
from stt.metrics.error_rate import mean_over_domains
from stt.task import SpeechRecognizer

ALPHA, BETA = 0.4, 2.0  # what `lm tune` found for the demo
# Tokens under a 20,000th are left out even here: with all 300 of them an utterance takes some ten seconds.
UNPRUNED = {"beam_width": 200, "token_min_logp": -10.0, "beam_prune_logp": -1000.0}
TRADES = [
    *({"beam_width": width, "token_min_logp": -4.0, "beam_prune_logp": -10.0} for width in (10, 25, 50, 100)),
    *({"beam_width": 50, "token_min_logp": logp, "beam_prune_logp": -10.0} for logp in (-2.0, -3.0, -6.0)),
]


def main() -> None:
    """Decode everything and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", type=Path, default=Path("runs/demo/checkpoints/best.ckpt"))
    parser.add_argument("--digits", type=Path, default=Path("runs/fsdd/checkpoints/best.ckpt"))
    parser.add_argument("--corpora", type=Path, default=Path("corpora"))
    parser.add_argument("--work", type=Path, default=Path("runs/decoding"))
    parser.add_argument("--utterances", type=int, default=40, help="of each domain")
    parser.add_argument("--out", type=Path, default=Path("docs/results/decoding.json"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    results = {}
    for name, checkpoint in {"demo": args.demo, "fsdd": args.digits}.items():
        model = load_recognizer(checkpoint)
        lm = args.work / f"{name}.binary"
        train_language_model(
            read_manifest(args.corpora / name / "train.parquet").table["text"].to_pylist(), lm, model.normalizer
        )
        results[name] = measure(model, read_manifest(args.corpora / name / "test.parquet"), lm, args.utterances)
        print(json.dumps({name: results[name]}, indent=1), flush=True)
    write_report(args.out, {"alpha": ALPHA, "beta": BETA, "utterances_a_domain": args.utterances, "models": results})


def measure(model: SpeechRecognizer, manifest: Manifest, lm: Path, most: int) -> dict[str, Any]:
    """Decode a test set in many ways."""
    outputs = list(compute_outputs(model, manifest, most))
    seconds = sum(output.utterance.seconds for output in outputs)

    def trade(decode: Callable[[Output], str], about: dict[str, Any]) -> dict[str, Any]:
        started = time.process_time()
        texts = [decode(output) for output in outputs]
        elapsed = time.process_time() - started
        by_domain = error_rates(manifest, outputs, texts)
        return {
            **about,
            "audio_seconds_per_core_second": round(seconds / elapsed),
            "wer": round(mean_over_domains(by_domain)["wer"], 4),
            "wer_by_domain": {domain: round(rate.wer, 4) for domain, rate in by_domain.items()},
        }

    greedy = error_rates(manifest, outputs, [output.greedy for output in outputs])
    found: dict[str, Any] = {
        "greedy_wer": round(mean_over_domains(greedy)["wer"], 4),
        "greedy_wer_by_domain": {domain: round(rate.wer, 4) for domain, rate in greedy.items()},
    }
    searches = []
    for options in [*TRADES, UNPRUNED]:
        beam = BeamOptions(str(lm), ALPHA, BETA, **options)  # type: ignore[arg-type]
        search = BeamSearch(model.tokenizer, model.normalizer.name, beam)
        searches.append(trade(lambda output, search=search: search.beams(output.log_probs)[0].text, options))  # type: ignore[misc]
    other = flashlight(model, lm)
    if other is not None:
        searches.append(trade(other, {"decoder": "flashlight-text", "beam_width": 50}))
    return {**found, "searches": searches}


def flashlight(model: SpeechRecognizer, lm: Path) -> Callable[[Output], str] | None:
    """Give a decoder of flashlight-text with the same language model, width and words; None if it is not installed."""
    try:
        from torchaudio.models.decoder import ctc_decoder
    except (ImportError, RuntimeError):
        return None
    words = description_of(lm, model.normalizer.name).words
    tokens = ["<blank>", *model.tokenizer.pieces[1:]]
    lexicon, list_of_tokens = lm.with_suffix(".lexicon"), lm.with_suffix(".tokens")
    lexicon.write_text("".join(f"{w} {' '.join(tokens[i] for i in model.tokenizer.encode(w))}\n" for w in words))
    list_of_tokens.write_text("".join(f"{token}\n" for token in tokens))
    decoder = ctc_decoder(
        str(lexicon),
        str(list_of_tokens),
        lm=str(lm),
        beam_size=50,
        beam_size_token=len(tokens),
        lm_weight=ALPHA,
        word_score=BETA,
        blank_token="<blank>",
        sil_token="<blank>",
    )
    return lambda output: " ".join(decoder(torch.from_numpy(output.log_probs).unsqueeze(0))[0][0].words)


if __name__ == "__main__":
    main()
