"""Splits a window into batches of similar cost, as random as the padding budget allows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stt.sampling.observations import Floats, Rows

# Of the batches' cost. On 2.9 h of sentences, 0.03 lets an utterance share a batch with 88 % as many others as random
# batches would (0: 64 %); 0.10 reaches 97 %, but has 8 % less speech in a step.
MAX_PADDING_SHARE = 0.03
MAX_JITTER = 1.0  # mean of the jitter that is added to log lengths
BISECTION_STEPS = 7  # to find the largest jitter within the padding budget
MAX_COPIES_SHARE = 0.05  # of the batches: about as many have an utterance's length; more copies cannot be separated
SWAP_DISTANCE = 32  # how many batches away, in order of length, a copy of an utterance may be moved


@dataclass(frozen=True)
class BatchPlan:
    """The batches of a window.

    Attributes:
        batches: batch b of rank r is `batches[b][r]`, an array of manifest rows.
        leftover: rows too few for one more batch per rank, and copies that fit into no batch.
    """

    batches: list[list[Rows]]
    leftover: Rows


def cut_batches(
    rows: Rows, durations: Floats, num_ranks: int, max_batch_seconds: float, rng: np.random.Generator
) -> BatchPlan:
    """Split rows into batches of at most `max_batch_seconds`, the same number for every rank.

    The cost of a batch is its number of utterances times the longest of them. Rows are sorted by duration times a
    jitter and split where the cost would exceed a limit: the smallest that gives the required number of batches, so
    that their costs are similar. The jitter is the largest that keeps padding within `MAX_PADDING_SHARE`, so that
    batches differ in every pass; it is exponential, which mixed lengths better than uniform or normal jitter with the
    same padding. Batches of similar length go to the ranks of one step, which therefore wait little for each other;
    the order of the steps is shuffled. No batch contains an utterance twice, unless it occurs in more than a twentieth
    of them. Within a batch, rows are sorted by duration.

    Raises:
        ValueError: there are fewer rows than ranks, or a single utterance exceeds the limit.
    """
    if len(rows) < num_ranks:
        raise ValueError(f"{len(rows)} utterances are not enough for {num_ranks} ranks")
    longest = float(durations[rows].max())
    if longest > max_batch_seconds:
        raise ValueError(f"an utterance of {longest:.1f} s does not fit into batches of {max_batch_seconds:g} s")
    rows = rng.permutation(rows)
    num_batches, rows = _most_random_order(rows, durations, max_batch_seconds, rng)
    num_batches = -(-num_batches // num_ranks) * num_ranks
    leftover = rows[:0]
    if num_batches > len(rows):  # long utterances, one per batch
        num_batches -= num_ranks
        kept = np.sort(rng.permutation(len(rows))[:num_batches])
        leftover, rows = np.delete(rows, kept), rows[kept]
    batches = np.split(rows, _even_cuts(durations[rows].astype(np.float64), num_batches, max_batch_seconds))
    _separate_copies(batches, durations, max_batch_seconds)
    batches, copies = _remove_copies(batches)
    leftover = np.concatenate([leftover, copies])
    batches = [batch[np.argsort(durations[batch], kind="stable")] for batch in batches]
    steps = [batches[i : i + num_ranks] for i in range(0, num_batches, num_ranks)]
    order = rng.permutation(len(steps))
    ranks = rng.permuted(np.tile(np.arange(num_ranks), (len(steps), 1)), axis=1)
    return BatchPlan([[steps[step][rank] for rank in ranks[step]] for step in order], leftover)


def cost(batch: Rows, durations: Floats) -> float:
    """Return the seconds of a batch, padding included."""
    return float(durations[batch].max()) * len(batch)


def padding_share(batches: list[Rows], durations: Floats) -> float:
    """Return the share of padding in the cost of batches."""
    audio = sum(float(durations[rows].sum()) for rows in batches)
    return 1 - audio / sum(cost(rows, durations) for rows in batches)


def cut_by_cost(durations: npt.NDArray[np.float64], limit: float) -> list[int]:
    """Split durations, in order, where a batch would exceed `limit` seconds; return the indices of the splits."""
    cuts = []
    start, end = 0, len(durations)
    size = 64  # rows to scan, adapted to the batch sizes found
    while start < end:
        chunk = durations[start : start + size]
        costs = np.maximum.accumulate(chunk) * np.arange(1, len(chunk) + 1)
        fits = int(np.searchsorted(costs, limit, side="right"))
        if fits == len(chunk) < end - start:
            size *= 2
            continue
        start += max(1, fits)
        size = 2 * max(1, fits)
        cuts.append(start)
    return cuts[:-1]


def _most_random_order(
    rows: Rows, durations: Floats, max_batch_seconds: float, rng: np.random.Generator
) -> tuple[int, Rows]:
    """Sort rows by jittered length; return the number of batches they need and the sorted rows."""
    lengths = durations[rows].astype(np.float64)
    logs, noise = np.log(lengths), rng.exponential(size=len(rows))

    def attempt(jitter: float) -> tuple[float, int, npt.NDArray[np.int64]]:
        order = np.argsort(logs + jitter * noise, kind="stable")
        edges = [0, *cut_by_cost(lengths[order], max_batch_seconds), len(rows)]
        highest = np.maximum.reduceat(lengths[order], edges[:-1])
        return 1 - lengths.sum() / float(highest @ np.diff(edges)), len(edges) - 1, order

    low, high = 0.0, MAX_JITTER
    _, number, order = attempt(low)
    for _ in range(BISECTION_STEPS):
        middle = (low + high) / 2
        padding, count, jittered = attempt(middle)
        if padding <= MAX_PADDING_SHARE:
            low, number, order = middle, count, jittered
        else:
            high = middle
    return number, rows[order]


def _even_cuts(durations: npt.NDArray[np.float64], num_batches: int, limit: float) -> list[int]:
    """Split into `num_batches` by the smallest limit that gives no more; `limit` gives at most that many."""
    low, high = float(durations.max()), limit
    while high - low > 1e-3 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if len(cut_by_cost(durations, middle)) < num_batches else (middle, high)
    cuts = cut_by_cost(durations, high)
    while len(cuts) < num_batches - 1:  # ties can skip the exact number: halve the largest batch
        edges = [0, *cuts, len(durations)]
        sizes = np.diff(edges)
        largest = int(sizes.argmax())
        cuts.insert(largest, edges[largest] + int(sizes[largest]) // 2)
    return cuts


def _separate_copies(batches: list[Rows], durations: Floats, limit: float) -> None:
    """Swap copies of an utterance in a batch with utterances of nearby batches, none of which may exceed `limit`.

    Swaps that increase no batch's cost are preferred.
    """
    members = [set(batch.tolist()) for batch in batches]
    offsets = sorted(range(-SWAP_DISTANCE, SWAP_DISTANCE + 1), key=abs)[1:]

    def swap(i: int, index: int, may_grow: bool) -> bool:
        row = int(batches[i][index])
        for j in (i + offset for offset in offsets if 0 <= i + offset < len(batches)):
            if row in members[j] or not _has_room(batches[j], durations, float(durations[row]), may_grow, limit):
                continue
            for other in np.argsort(-durations[batches[j]], kind="stable").tolist():
                candidate = int(batches[j][other])
                if candidate not in members[i] and _has_room(
                    batches[i], durations, float(durations[candidate]), may_grow, limit
                ):
                    batches[i][index], batches[j][other] = candidate, row
                    members[i], members[j] = set(batches[i].tolist()), set(batches[j].tolist())
                    return True
        return False

    for i, batch in enumerate(batches):
        if len(members[i]) < len(batch):
            _, first = np.unique(batch, return_index=True)
            for index in np.delete(np.arange(len(batch)), first).tolist():
                if not swap(i, index, may_grow=False):
                    swap(i, index, may_grow=True)


def _remove_copies(batches: list[Rows]) -> tuple[list[Rows], Rows]:
    """Remove copies that could not be swapped; return the batches and the removed rows.

    Rows with too many copies to separate stay: otherwise a small domain would not get its share.
    """
    rows, counts = np.unique(np.concatenate(batches), return_counts=True)
    inseparable = rows[counts > max(1, MAX_COPIES_SHARE * len(batches))]
    kept, removed = [], [rows[:0]]
    for batch in batches:
        _, first = np.unique(batch, return_index=True)
        keep = np.isin(batch, inseparable)
        keep[first] = True
        kept.append(batch[keep])
        removed.append(batch[~keep])
    return kept, np.concatenate(removed)


def _has_room(batch: Rows, durations: Floats, seconds: float, may_grow: bool, limit: float) -> bool:
    """Return whether an utterance of this duration can replace another one in a batch."""
    longest = float(durations[batch].max())
    return seconds <= longest or (may_grow and seconds * len(batch) <= limit)
