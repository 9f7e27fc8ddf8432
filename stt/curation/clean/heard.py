"""What a recognizer hears in the utterances of a shard, and how well their texts fit, compared with other texts."""

from __future__ import annotations

import math
from typing import Any

from stt.corpus.manifest import Manifest
from stt.curation.recognize import Model, RecognizedRow, recognize


def hear(model: Model, rows: Manifest) -> dict[int, dict[str, Any]]:
    """Return hypothesis, CER and losses of every row that could be recognized.

    The other loss is that of the same audio against the text of an utterance of similar length, the neighbor in the
    batch: what a text gets that was never spoken there.

    Raises:
        InputError: the checkpoint cannot be loaded, or its output is not a number.
    """
    heard = {}
    for batch in recognize(*model.load(), rows):
        recognized = [one for one in batch if isinstance(one, RecognizedRow)]
        for one, neighbor in zip(recognized, recognized[-1:] + recognized[:-1], strict=True):
            other = one.loss_of(neighbor.reference) if neighbor.reference != one.reference else math.nan
            heard[one.row] = {
                "hypothesis": one.hypothesis,
                "cer": one.cer,
                "loss": one.loss,
                "other_loss": other if math.isfinite(other) else math.nan,  # infinite: too long for the audio
            }
    return heard
