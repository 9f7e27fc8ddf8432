"""Can a small sequence-to-sequence network replace beam search, at a tenth of its cost?

Compares greedy decoding, beam search with a 4-gram, the corrector, and the corrector after beam search on a test set.
Language model and corrector are trained only on the training manifest; the validation manifest selects the best
corrector. Times are CPU seconds of one process.

    make demo && python benchmarks/corrector.py
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from common import write_report

from stt.corpus.manifest import read_manifest
from stt.correction.corrector import Corrector
from stt.decoding.beam import BeamSearch
from stt.decoding.options import BeamOptions
from stt.decoding.train_lm import train_language_model
from stt.metrics.domain_results import mean_over_domains
from stt.recognition.evaluate import collect_outputs, error_rates_of_outputs
from stt.recognition.recognizer import Recognizer
from stt.training.corrector import train_corrector


def main() -> None:
    """Train, decode and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=Path("runs/demo/checkpoints/best.ckpt"))
    parser.add_argument(
        "--corpus", type=Path, default=Path("corpora/demo"), help="folder with train, validate and test .parquet"
    )
    parser.add_argument("--alpha", type=float, default=0.4, help="found by `stt lm tune` for the demo")
    parser.add_argument("--beta", type=float, default=2.0)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--utterances", type=int, default=40, help="number of test utterances per domain")
    parser.add_argument("--work", type=Path, default=Path("runs/corrector"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/corrector.json"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = Recognizer.load(args.checkpoint)
    train, validate, test = (read_manifest(args.corpus / f"{split}.parquet") for split in ("train", "validate", "test"))
    train_texts = train.table["text"].to_pylist()
    lm, path = args.work / "lm.binary", args.work / "corrector.ckpt"
    train_language_model(train_texts, lm, model.normalizer)
    began = time.process_time()
    trained = train_corrector(model, train, validate, train_texts, path, args.steps)
    training = time.process_time() - began
    corrector = Corrector.load(path)
    outputs = collect_outputs(model, test, args.utterances)
    audio = sum(output.utterance.seconds for output in outputs)
    search = BeamSearch(model.tokenizer, model.normalizer.name, BeamOptions(str(lm), args.alpha, args.beta))

    def measure(decode: Callable[[], Sequence[str]]) -> tuple[list[str], dict[str, Any]]:
        began = time.process_time()
        texts = list(decode())
        elapsed = time.process_time() - began
        rates = error_rates_of_outputs(outputs, texts)
        return texts, {
            **{kind: round(value, 4) for kind, value in mean_over_domains(rates).items()},
            "wer_by_domain": {domain: round(rate.wer, 4) for domain, rate in rates.items()},
            "audio_seconds_per_core_second": round(audio / elapsed) if elapsed > 1e-3 else None,
        }

    greedy, greedy_result = measure(lambda: [output.greedy.text for output in outputs])
    searched, beam_result = measure(lambda: [search.beams(output.log_probs)[0].text for output in outputs])
    _, corrector_result = measure(lambda: corrector.correct(greedy))
    _, both_result = measure(lambda: corrector.correct(searched))
    results = {
        "steps": args.steps,
        "parameters": sum(parameter.numel() for parameter in corrector.parameters()),
        "training_core_seconds": round(training),
        "pairs": trained.pairs,
        "validation_wer": {"before": round(trained.before, 4), "after": round(trained.after, 4)},
        "greedy": greedy_result,
        "beam": beam_result,
        "corrector": corrector_result,
        "corrector_behind_the_beam": both_result,
    }
    print(json.dumps(results, indent=1))
    write_report(args.out, results)


if __name__ == "__main__":
    main()
