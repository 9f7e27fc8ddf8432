"""The model card of an export: what it is, how good, how fast, and how to use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stt.inference.folder import CARD, INT8, SHERPA, Description
from stt.metrics.domain_metric import format_value
from stt.metrics.summary import metric_info, read_results
from stt.runs.folder import RunFolder

SHERPA_USE = """import sherpa_onnx

recognizer = sherpa_onnx.OfflineRecognizer.from_nemo_ctc(
    "model.onnx", "tokens.txt", sample_rate={rate}, feature_dim={mels}
)
stream = recognizer.create_stream()
stream.accept_waveform(sample_rate, waveform)  # float32 in [-1, 1]
recognizer.decode_stream(stream)
print(stream.result.text)"""
USE = """import stt  # pip install '.[onnx]' in a checkout of the training project; stt on PyPI is another one

print(stt.load("FOLDER").transcribe("speech.wav").text)"""
CARD_TEXT = """---
license: {license}
library_name: {library}
pipeline_tag: automatic-speech-recognition
---

# Speech recognizer ({format})

A CTC network ({encoder}) from audio at {rate} Hz to text normalized by `{normalizer}`, one frame every {ms:g} ms.

## Data

Trained on the domains {domains}. {utterances}

## Test results of the run

{results}

## The export compared with the checkpoint

{check}

## Licence

{licence_text}

## Limitations

- It writes what the normalizer leaves: no punctuation, no capitals.
- Error rates hold for speech like that of the test data; for other voices, rooms and subjects they are higher.
- What is not speech may be transcribed as words.{more}

## Use

```python
{use}
```
"""


def write_card(folder: Path, description: Description, checkpoint: Path, license_name: str) -> None:
    """Write `README.md`, with the test results of the run that the checkpoint lies in, if there are any.

    Raises:
        InputError: the test results are damaged.
    """
    is_sherpa = description.format == SHERPA
    mels = description.features["arguments"].get("n_mels")
    seconds = description.utterance_seconds
    text = CARD_TEXT.format(
        license=license_name or "other",
        library="sherpa-onnx" if is_sherpa else "onnx",
        format=description.format,
        encoder=description.encoder["class"],
        rate=description.sample_rate,
        normalizer=description.normalizer,
        ms=1000 * description.frame_samples / description.sample_rate,
        domains=", ".join(description.train_domains) or "(not recorded)",
        utterances=f"Three quarters of the utterances were no longer than {seconds:.1f} s." if seconds else "",
        results=_results(checkpoint),
        check=_check(description.check, description.format),
        licence_text=license_name or "Not stated. Whoever publishes this must check the licences of the training data.",
        more=_limitation(description),
        use=(SHERPA_USE if is_sherpa else USE).format(rate=description.sample_rate, mels=mels),
    )
    (folder / CARD).write_text(text, encoding="utf-8")


def _results(checkpoint: Path) -> str:
    """Return a table of the run's test results."""
    run = RunFolder.of_checkpoint(checkpoint)
    if run is None or not run.results.is_file():
        return "None were found beside the checkpoint: no test was run, or the checkpoint was copied."
    results = read_results(run.results)
    metrics = metric_info(results)
    header = [
        "domain",
        "in training",
        "utterances",
        "hours",
        *(f"{one['title']} {one['unit']}" for one in metrics.values()),
    ]
    rows = [header, ["---"] * len(header)]
    for domain, row in results["domains"].items():
        trained = {True: "yes", False: "no", None: "?"}[row.get("in_training")]
        values = [format_value(row[name], metrics[name]["unit"]) for name in metrics]
        rows.append([domain, trained, str(row["utterances"]), f"{row['hours']:.2f}", *values])
    table = "\n".join(f"| {' | '.join(cell.replace('|', ' ') for cell in row)} |" for row in rows)
    return f"Greedy decoding; normalizer `{results['normalizer']}`; the CER counts spaces.\n\n{table}"


def _check(figures: dict[str, Any], export_format: str) -> str:
    speed = figures["speed"]
    lines = [f"Largest difference of log-probabilities: {figures['max_difference']:.2g}."]
    if figures["cer_export"] is None:
        lines.append(
            "**No error rate of the export was measured**: the audio was generated, `--check` names real audio."
        )
    else:
        lines.append(
            f"CER on {figures['utterances']} of {figures['available_utterances']} utterances "
            f"({figures['seconds']:g} s): {100 * figures['cer_export']:.2f} %, "
            f"of the checkpoint {100 * figures['cer_checkpoint']:.2f} %."
        )
    lines.append(
        f"Audio seconds per core-second where it was exported, one thread: {speed['export']:g}, of the checkpoint in "
        f"float32 with torch {speed['checkpoint']:g}"
        + (f", of float32 in ONNX Runtime {speed['onnx']:g}." if export_format == INT8 else ".")
    )
    return "\n".join(lines)


def _limitation(description: Description) -> str:
    if description.format != SHERPA:
        return ""
    longest = f"{description.utterance_seconds:.1f} s" if description.utterance_seconds else "some 25 s"
    return f"\n- sherpa-onnx transcribes a file as a whole: cut recordings into utterances of at most about {longest}."
