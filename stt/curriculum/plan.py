"""A round plan: drawn utterances cut into batches of like length and like cost, the same on every rank."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stt.curriculum.draw import Rows


@dataclass(frozen=True)
class RoundPlan:
    """Batches of a round for all ranks; batch b of rank r is `batches[b][r]`, an array of manifest rows."""

    batches: list[list[Rows]]
    left_over: int  # drawn utterances that the batches had no room for

    def of_rank(self, rank: int) -> list[Rows]:
        """Give the batches of one rank, in order."""
        return [ranks[rank] for ranks in self.batches]

    def rank_spread(self, durations: npt.NDArray[np.float32]) -> float:
        """Mean over the steps of (costliest rank - cheapest rank) / mean: what ranks wait for each other."""
        costs = np.array([[float(durations[rows].max()) * len(rows) for rows in ranks] for ranks in self.batches])
        return float(((costs.max(axis=1) - costs.min(axis=1)) / costs.mean(axis=1)).mean())

    def digest(self) -> str:
        """SHA-256 over everything in the plan: equal plans, equal digests."""
        whole = hashlib.sha256()
        for ranks in self.batches:
            for rows in ranks:
                whole.update(len(rows).to_bytes(8, "little") + rows.tobytes())
        return whole.hexdigest()


def plan_round(
    drawn: Rows,
    durations: npt.NDArray[np.float32],
    num_batches: int,
    num_ranks: int,
    max_batch_seconds: float,
    seed: int,
    round_index: int,
) -> RoundPlan:
    """Cut the drawn rows into `num_batches` batches for each of `num_ranks` ranks.

    A batch costs what it occupies: its utterances times the longest of them. Rows are sorted by
    duration and cut where the cost would pass a limit; the limit is the smallest that gives the
    right number of batches, so that batches cost alike and padding is small. Should that pass
    `max_batch_seconds`, rows are left over by chance until it does not. Batches of neighbouring
    lengths go to the ranks of one step, which therefore wait little for each other; the order of
    the steps is shuffled.

    Raises:
        ValueError: there are fewer rows than batches, or one utterance alone is over the limit.
    """
    wanted = num_batches * num_ranks
    if len(drawn) < wanted:
        raise ValueError(f"{len(drawn)} utterances were drawn for {wanted} batches")
    longest = float(durations[drawn].max())
    if longest > max_batch_seconds:
        raise ValueError(f"an utterance of {longest:.1f} s does not fit into batches of {max_batch_seconds:g} s")
    rng = np.random.default_rng((seed, round_index))
    kept = rng.permutation(drawn)
    while True:
        rows = kept[np.argsort(durations[kept], kind="stable")]
        cost, cuts = _even_cuts(durations[rows].astype(np.float64), wanted)
        if cost <= max_batch_seconds * (1 + 1e-6):
            break
        kept = kept[: max(wanted, int(len(kept) * min(0.995, max_batch_seconds / cost)))]
    batches = np.split(rows, cuts)
    steps = [batches[i : i + num_ranks] for i in range(0, wanted, num_ranks)]
    order = rng.permutation(len(steps))
    turns = rng.permuted(np.tile(np.arange(num_ranks), (len(steps), 1)), axis=1)
    shuffled = [[steps[step][rank] for rank in turns[step]] for step in order]
    return RoundPlan(shuffled, len(drawn) - len(kept))


def padding_share(batches: list[Rows], durations: npt.NDArray[np.float32]) -> float:
    """Share of what batches occupy that is padding."""
    real = sum(float(durations[rows].sum()) for rows in batches)
    occupied = sum(float(durations[rows].max()) * len(rows) for rows in batches)
    return 1 - real / occupied


def cut_by_cost(durations: npt.NDArray[np.float64], limit: float) -> list[int]:
    """Cut ascending durations where a batch would cost more than `limit` seconds; gives the places of the cuts."""
    cuts = []
    start, end = 0, len(durations)
    while start < end:
        # Durations ascend, so the last of a stretch is its longest: find the longest stretch that fits.
        most = int(limit / max(durations[start], 1e-9)) + 1
        stretch = durations[start : start + most]
        fits = stretch * np.arange(1, len(stretch) + 1) <= limit
        start += max(1, int(np.count_nonzero(fits)))
        cuts.append(start)
    return cuts[:-1]


def _even_cuts(durations: npt.NDArray[np.float64], wanted: int) -> tuple[float, list[int]]:
    """Find the least limit that gives at most `wanted` batches, and cuts that give exactly so many."""
    low, high = float(durations[-1]), float(durations[-1]) * len(durations)
    while high - low > 1e-4 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if len(cut_by_cost(durations, middle)) < wanted else (middle, high)
    cuts = cut_by_cost(durations, high)
    while len(cuts) < wanted - 1:  # ties can skip the exact number: halve the fullest batch
        edges = [0, *cuts, len(durations)]
        sizes = np.diff(edges)
        fullest = int(sizes.argmax())
        cuts.insert(fullest, edges[fullest] + int(sizes[fullest]) // 2)
    return high, cuts
