"""Suspects: utterances whose CER stays so far above their domain's that their label is most likely wrong.

A hard utterance with a right label gets better with the model, a wrong label does not. So the
running means of the CERs that were observed since the domain was learned part into two heaps, with a
valley between them. In a noisy domain right labels reach high CERs too, but in one heap with a
tail: without a valley nothing is suspected.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stt.curriculum.ledger import Ledger

LEAST_LOOKS = 3  # observations, since the domain was learned, before anything is suspected
LEAST_LEVEL = 0.5  # CER that no suspect is under
LEAST_JUDGED = 50  # utterances of a domain that can be judged, before any is
DEPTH = 0.6  # the valley's density is at most this share of the upper heap's
BINS = 40
SMOOTHING = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16


def find_suspects(ledger: Ledger, domain: int) -> npt.NDArray[np.bool_]:
    """Tell which utterances of the ledger are suspects of one domain."""
    rows = np.flatnonzero((ledger.domain == domain) & (ledger.looks >= LEAST_LOOKS))
    suspects = np.zeros(len(ledger.domain), dtype=np.bool_)
    if len(rows) >= LEAST_JUDGED:
        level = ledger.level[rows].astype(np.float32)
        suspects[rows[level > valley(level)]] = True
    return suspects


def valley(level: npt.NDArray[np.float32]) -> float:
    """Find the CER between the heap of right labels and that of wrong ones; infinity where there is one heap."""
    counts, edges = np.histogram(level, bins=BINS, range=(0, 1))
    density = np.convolve(np.pad(counts, 2, mode="reflect"), SMOOTHING, mode="valid")
    first = int(LEAST_LEVEL * BINS)
    upper = first + int(density[first:].argmax())
    lower = int(density[:first].argmax())
    lowest = lower + int(density[lower : upper + 1].argmin())
    place = max(lowest, first)
    if density[lower] < density[upper] or density[place] > DEPTH * density[upper]:
        return float("inf")
    return float(edges[place])
