"""W&B tables of utterances with audio."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stt.audio.io import AudioError, encode_flac, read_audio
from stt.metrics.alignment import alignment_html
from stt.metrics.recognized import RecognizedUtterance

if TYPE_CHECKING:
    import wandb

log = logging.getLogger(__name__)
COLUMNS = ("domain", "utterance", "CER", "alignment", "reference", "hypothesis", "audio")


def utterance_table(items: Sequence[RecognizedUtterance], sample_rate: int, folder: Path) -> wandb.Table:
    """Build a table of utterances, in the given order.

    Args:
        items: utterances to show.
        sample_rate: sample rate of the audio in the table, Hz.
        folder: folder for the audio files, which must exist until the table is logged.
    """
    import wandb  # optional: never reached without it

    table = wandb.Table(columns=list(COLUMNS))
    for number, item in enumerate(items):
        alignment = wandb.Html(alignment_html(item.reference, item.hypothesis), inject=False)
        audio = _audio(item, sample_rate, folder / f"{number}.flac")
        table.add_data(item.domain, item.utterance, item.cer, alignment, item.reference, item.hypothesis, audio)
    return table


def _audio(item: RecognizedUtterance, sample_rate: int, path: Path) -> wandb.Audio | None:
    try:
        waveform = read_audio(item.source, sample_rate, item.offset, item.seconds)
    except AudioError as error:
        log.warning("the table row has no audio: %s", error)
        return None
    import wandb

    path.write_bytes(encode_flac(waveform, sample_rate))
    return wandb.Audio(str(path), caption=item.hypothesis)
