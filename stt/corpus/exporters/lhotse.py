"""Export recordings, supervisions and cuts of lhotse."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from stt.audio.source import is_remote
from stt.corpus.cuts import FIELDS
from stt.corpus.export import Abilities, Export, Utterance, json_line


def export(corpus: Export) -> None:
    """Write `recordings.jsonl.gz`, `supervisions.jsonl.gz` and `cuts.jsonl.gz`, one cut for each utterance.

    Every audio file is opened, for its sample rate and length. Audio of several channels is copied as its mean,
    because that is what the manifest means. `language` and `gender` become fields of the supervision; domain, CER and
    all other columns go to its `custom`. `stt corpus import lhotse OUT --domain '{domain}'` reads it back.
    """
    written: dict[str, str] = {}  # address: id of the recording
    abilities = Abilities(offsets=True, refers=lambda address: True, channels=False, info=True)
    with (
        corpus.open("recordings.jsonl.gz") as recordings,
        corpus.open("supervisions.jsonl.gz") as supervisions,
        corpus.open("cuts.jsonl.gz") as cuts,
    ):
        for utterance in corpus.utterances(abilities):
            new = utterance.audio not in written
            recording = _recording(utterance, written)
            if new:
                recordings.write(json_line(recording))
            start = min(utterance.offset or 0.0, recording["duration"])
            duration = min(utterance.duration, recording["duration"] - start)
            supervision = _supervision(utterance, recording["id"], duration)
            supervisions.write(json_line({**supervision, "start": start}))
            cut = {
                "id": utterance.id,
                "start": start,
                "duration": duration,
                "channel": 0,
                "supervisions": [supervision],
                "recording": recording,
                "type": "MonoCut",
            }
            cuts.write(json_line(cut))


def _recording(utterance: Utterance, written: dict[str, str]) -> dict[str, Any]:
    assert utterance.info is not None
    rate = utterance.info.sample_rate
    samples = round(utterance.info.duration * rate)
    if utterance.audio not in written:
        digest = hashlib.sha1(utterance.audio.encode()).hexdigest()[:12]
        written[utterance.audio] = (
            utterance.id if utterance.offset is None else f"{Path(utterance.audio).stem}-{digest}"
        )
    kind = "url" if is_remote(utterance.audio) else "file"
    return {
        "id": written[utterance.audio],
        "sources": [{"type": kind, "channels": [0], "source": utterance.audio}],
        "sampling_rate": rate,
        "num_samples": samples,
        "duration": samples / rate,
        "channel_ids": [0],
    }


def _supervision(utterance: Utterance, recording: str, duration: float) -> dict[str, Any]:
    """Return a supervision whose start is that of the cut."""
    fields = {name: str(utterance.extra[name]) for name in FIELDS if name in utterance.extra}
    custom = {name: cell for name, cell in utterance.extra.items() if name not in FIELDS}
    known = {"domain": utterance.domain, "cer": utterance.cer}
    supervision = {
        "id": utterance.id,
        "recording_id": recording,
        "start": 0.0,
        "duration": duration,
        "channel": 0,
        "text": utterance.text,
        "speaker": utterance.speaker,
        **fields,
        "custom": {**custom, **{name: cell for name, cell in known.items() if cell is not None}},
    }
    return {name: cell for name, cell in supervision.items() if cell is not None}
