"""Error rates of utterances that were joined to one long recording, against those of the same utterances alone.

Joined in two ways: domain by domain, and all mixed, so that speaker and channel change from one utterance to the next;
cut for the network into pieces of several lengths.

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
from stt.recognition import transcript
from stt.recognition.recognizer import Recognizer

PIECES = ((15.0, 25.0), (8.0, 12.0), (4.0, 7.0))  # seconds


def main() -> None:
    """Measure checkpoints on a manifest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--domains", nargs="*", help="only these; default: all")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    results = {str(path): measured(stt.load(path), args.manifest, args.domains) for path in args.checkpoints}
    write_report(args.out or Path("runs/long_audio.json"), results)


def measured(recognizer: Recognizer, manifest: Path, domains: Sequence[str] | None = None) -> dict[str, Any]:
    """Give WER in percent of the parts, and of the wholes by the length of their pieces."""
    parts = [one for one in stt.evaluate(recognizer, manifest).recognized if not domains or one.domain in domains]
    order = np.random.default_rng(0).permutation(len(parts))
    by_domain = sorted(parts, key=lambda one: one.domain)
    report: dict[str, Any] = {
        "minutes": round(sum(one.seconds for one in parts) / 60, 1),
        "parts": wer([(one.reference, one.hypothesis) for one in parts]),
    }
    for shortest, longest in PIECES:
        transcript.MIN_CHUNK_SECONDS, transcript.MAX_CHUNK_SECONDS = shortest, longest
        report[f"pieces of {shortest:g}-{longest:g} s"] = {
            "domain by domain": whole(recognizer, by_domain),
            "mixed": whole(recognizer, [parts[i] for i in order]),
        }
    return report


def whole(recognizer: Recognizer, parts: Sequence[RecognizedUtterance]) -> float:
    """Recognize utterances as one recording; WER in percent."""
    sound = [read_audio(one.source, recognizer.sample_rate, one.offset, one.seconds) for one in parts]
    found = recognizer.transcribe(np.concatenate(sound), recognizer.sample_rate)
    return wer([(" ".join(one.reference for one in parts), found.text)])


def wer(pairs: Sequence[tuple[str, str]]) -> float:
    """Word error rate in percent, over all words."""
    return round(100 * corpus_wer(pairs), 2)


if __name__ == "__main__":
    main()
