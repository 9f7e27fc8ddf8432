"""The figures of a shard: what its samples tell and, with a recognizer, what is heard in them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from stt.audio.io import AudioError
from stt.corpus.manifest import Manifest
from stt.corpus.sharding.shards import BadRow, Part
from stt.curation.clean.sound import DIGEST_BYTES, MeasuredManifest, Sound

if TYPE_CHECKING:  # it loads torch, which processes without a recognizer do not need
    from stt.curation.recognize import Model

FIGURES = pa.schema(
    {
        "unreadable": pa.large_string(),  # why; null if the audio could be read
        "silence": pa.float32(),
        "level": pa.float32(),
        "clipping": pa.float32(),
        "snr": pa.float32(),
        "digest": pa.binary(DIGEST_BYTES),
        "hypothesis": pa.large_string(),  # null if nothing listened
        "cer": pa.float32(),
        "loss": pa.float32(),  # CTC loss of the text, nats per token
        "other_loss": pa.float32(),  # the same for the text of another utterance
    }
)


@dataclass(frozen=True)
class Measurement:
    """Measures shards, in other processes; a row of the result for each of theirs.

    Attributes:
        model: a recognizer that hears every utterance; None for none.
    """

    model: Model | None = None

    def __call__(self, rows: Manifest, name: str) -> Part:
        """Measure the rows of a shard; those whose audio cannot be used are returned as bad as well."""
        measured = MeasuredManifest.of(rows)
        heard: dict[int, dict[str, Any]] = {}
        if self.model is not None:
            from stt.curation.clean.heard import hear

            heard = hear(self.model, measured)
        figures, bad = [], []
        for row in range(len(rows)):
            unreadable = None
            try:
                measured.measure(row)
            except AudioError as error:
                unreadable = str(error)
                bad.append(BadRow(rows.where(row), "unreadable audio", unreadable))
            sound = measured.sounds.get(row, Sound())
            figures.append({"unreadable": unreadable, **sound._asdict(), **heard.get(row, NOTHING_HEARD)})
        return Part(pa.Table.from_pylist(figures, FIGURES), bad)


NOTHING_HEARD = {"hypothesis": None, "cer": math.nan, "loss": math.nan, "other_loss": math.nan}


def not_measured(count: int) -> pa.Table:
    """Return the figures of rows of which no audio was read."""
    unknown = {"unreadable": None, **Sound()._asdict(), **NOTHING_HEARD}
    return pa.table(
        [pa.chunked_array([pa.repeat(pa.scalar(unknown[field.name], field.type), count)]) for field in FIGURES],
        schema=FIGURES,
    )
