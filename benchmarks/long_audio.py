"""Error rates of utterances joined into one long recording, compared to those of the same utterances one by one.

They are joined in two ways: domain by domain, and shuffled, so that speaker and channel change at every utterance.
The recording is transcribed in windows of several lengths, and of the length that the recognizer chooses.

    make fsdd demo && python benchmarks/long_audio.py runs/fsdd/checkpoints/best.ckpt corpora/fsdd/test.parquet
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import write_report

import stt
from stt.audio.io import read_audio
from stt.metrics.error_rate import corpus_wer
from stt.metrics.recognized import RecognizedUtterance
from stt.recognition import transcriber
from stt.recognition.recognizer import Recognizer

WINDOWS = (25.0, 10.0, 5.0, 2.5)  # seconds at most
CONTEXTS = (0.0, 0.5, 1.0)  # seconds on each side


def main() -> None:
    """Measure checkpoints on a manifest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--domains", nargs="*", help="domains to measure; default: all")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    results = {str(path): measure(stt.Recognizer.load(path), args.manifest, args.domains) for path in args.checkpoints}
    write_report(args.out or Path("runs/long_audio.json"), results)


def measure(recognizer: Recognizer, manifest: Path, domains: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the WER in percent of single utterances, and of the joined recordings by window and context."""
    parts = [one for one in stt.evaluate(recognizer, manifest).recognized if not domains or one.domain in domains]
    order = np.random.default_rng(0).permutation(len(parts))
    by_domain = sorted(parts, key=lambda one: one.domain)
    report: dict[str, Any] = {
        "minutes": round(sum(one.seconds for one in parts) / 60, 1),
        "parts": wer([(one.reference, one.hypothesis) for one in parts]),
    }
    chosen, usual = stt.Transcriber(recognizer).window_seconds, transcriber.CONTEXT_SECONDS
    for window in (chosen, *WINDOWS):
        for context in CONTEXTS:
            recognizer.utterance_seconds, transcriber.CONTEXT_SECONDS = window, context
            report[f"windows of {window:.1f} s, context of {context:g} s"] = {
                "domain by domain": joined_wer(recognizer, by_domain),
                "mixed": joined_wer(recognizer, [parts[i] for i in order]),
            }
    recognizer.utterance_seconds, transcriber.CONTEXT_SECONDS = chosen, usual
    return report


def joined_wer(recognizer: Recognizer, parts: Sequence[RecognizedUtterance]) -> float:
    """Transcribe utterances joined into one recording; return the WER in percent."""
    waveforms = [read_audio(one.source, recognizer.sample_rate, one.offset, one.seconds) for one in parts]
    result = recognizer.transcribe(np.concatenate(waveforms), recognizer.sample_rate)
    return wer([(" ".join(one.reference for one in parts), result.text)])


def wer(pairs: Sequence[tuple[str, str]]) -> float:
    """Return the word error rate in percent, pooled over all words."""
    return round(100 * corpus_wer(pairs), 2)


if __name__ == "__main__":
    main()
