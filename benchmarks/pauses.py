"""Error rates of utterances with pauses between them: whether the network hears the pauses, or is not given them.

Utterances of each domain are joined with pauses of some seconds, of digital silence or of noise, and transcribed as one
recording: as it would be if the network were given everything, as it is, and with a speech detector.

    make fsdd && python benchmarks/pauses.py runs/fsdd/checkpoints/best.ckpt corpora/fsdd/test.parquet
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import torch
from common import write_report

import stt
from stt.audio.io import Waveform, read_audio
from stt.audio.speech_detector import SpeechDetector
from stt.metrics.error_rate import corpus_wer
from stt.metrics.recognized import RecognizedUtterance
from stt.progress import track

PAUSES = (0.0, 0.5, 2.0, 5.0)  # seconds
NOISES = (None, -60.0, -50.0)  # decibels of full scale; None: digital silence


def main() -> None:
    """Measure a checkpoint on a manifest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--utterances", type=int, default=30, help="of each domain")
    parser.add_argument("--out", type=Path, default=Path("docs/results/pauses.json"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    recognizer = stt.Recognizer.load(args.checkpoint)
    by_domain = defaultdict(list)
    for one in stt.evaluate(recognizer, args.manifest).recognized:
        by_domain[one.domain].append(one)
    parts = [one for domain in sorted(by_domain) for one in by_domain[domain][: args.utterances]]
    pairs = [(one.reference, one.hypothesis) for one in parts]
    rows: list[dict[str, float | None]] = [{"single_utterances": round(100 * corpus_wer(pairs), 2)}]
    cases = [(pause, noise) for pause in PAUSES for noise in (NOISES if pause else NOISES[:1])]
    rows += [measure(recognizer, parts, pause, noise) for pause, noise in track(cases, "pauses")]
    results = json.loads(args.out.read_text()) if args.out.exists() else {}
    runs = results.get("runs", {}) | {str(args.checkpoint): rows}
    write_report(args.out, {"utterances_a_domain": args.utterances, "runs": runs})


def measure(
    recognizer: stt.Recognizer, parts: Sequence[RecognizedUtterance], pause: float, noise: float | None
) -> dict[str, float | None]:
    """Return the WER in percent of one recording of all utterances with pauses of some seconds between them."""
    rate = recognizer.sample_rate
    samples = np.random.default_rng(0).standard_normal(round(pause * rate)).astype(np.float32)
    between = samples * (0.0 if noise is None else np.float32(10 ** (noise / 20)))
    waveforms = [read_audio(one.source, rate, one.offset, one.seconds) for one in parts]
    recording = np.concatenate([part for waveform in waveforms for part in (between, waveform)])
    reference = " ".join(one.reference for one in parts)

    def wer(transcriber: stt.Transcriber) -> float:
        return round(100 * corpus_wer([(reference, transcriber.transcribe(recording, rate).text)]), 2)

    with patch("stt.recognition.hearing.heard_frames", all_frames):
        everything = wer(stt.Transcriber(recognizer))
    found = {"everything_heard": everything, "long_pauses_left_out": wer(stt.Transcriber(recognizer))}
    found["speech_detector"] = wer(stt.Transcriber(recognizer, detector=SpeechDetector(rate)))
    return {"pause_seconds": pause, "noise_dbfs": noise, **found}


def all_frames(waveform: Waveform, hop: int, *options: object) -> npt.NDArray[np.bool_]:
    """Leave nothing out."""
    return np.ones(-(-len(waveform) // hop), np.bool_)


if __name__ == "__main__":
    main()
