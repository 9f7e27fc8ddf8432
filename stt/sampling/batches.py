"""Cuts a window's utterances into batches of like cost, as random as a padding budget allows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stt.sampling.observations import Floats, Rows

# Share of what the batches of a window occupy that may be padding. On 2.9 h of sentences 0.03 lets an utterance meet
# 88 % as many others as random batches would (none: 64 %), 0.10 meets 97 %, but has 8 % less speech in a step.
PADDING = 0.03
WIDEST = 1.0  # jitter: mean of what is added to the logarithms of lengths
HALVINGS = 7  # of that, in search of the most that the padding budget allows
OFTEN = 0.05  # share of the batches: about as many are of an utterance's length, so more copies cannot be kept apart
REACH = 32  # batches of like length in which a copy of an utterance may find another place


@dataclass(frozen=True)
class Cut:
    """A window's utterances in batches.

    Attributes:
        batches: batch b of rank r is `batches[b][r]`, an array of manifest rows.
        left_over: rows that would not have made a batch for every rank, and copies for which no batch had room.
    """

    batches: list[list[Rows]]
    left_over: Rows


def cut_batches(
    rows: Rows, durations: Floats, num_ranks: int, max_batch_seconds: float, rng: np.random.Generator
) -> Cut:
    """Cut rows into batches of `max_batch_seconds` at most, as many for every rank.

    A batch costs what it occupies: its utterances times the longest of them. Rows are sorted by duration times a
    jitter and cut where the cost would pass a limit: the smallest that gives the right number of batches, so that
    batches cost alike. The jitter is the largest that keeps padding within `PADDING`, so that an utterance meets
    others in every pass; it is exponential, which mixed lengths better than a uniform or a normal one of the same
    padding. Batches of neighbouring lengths go to the ranks of one step, which therefore wait little for each other;
    the order of the steps is shuffled. No batch holds an utterance twice, unless it comes in more than a twentieth of
    them. Within a batch rows are sorted by duration.

    Raises:
        ValueError: there are fewer rows than ranks, or one utterance alone is over the limit.
    """
    if len(rows) < num_ranks:
        raise ValueError(f"{len(rows)} utterances are not enough for {num_ranks} ranks")
    longest = float(durations[rows].max())
    if longest > max_batch_seconds:
        raise ValueError(f"an utterance of {longest:.1f} s does not fit into batches of {max_batch_seconds:g} s")
    rows = rng.permutation(rows)
    wanted, rows = _most_random_order(rows, durations, max_batch_seconds, rng)
    wanted = -(-wanted // num_ranks) * num_ranks
    left_over = rows[:0]
    if wanted > len(rows):  # long utterances, each a batch of its own
        wanted -= num_ranks
        kept = np.sort(rng.permutation(len(rows))[:wanted])
        left_over, rows = np.delete(rows, kept), rows[kept]
    batches = np.split(rows, _even_cuts(durations[rows].astype(np.float64), wanted, max_batch_seconds))
    _separate_copies(batches, durations, max_batch_seconds)
    batches, copies = _without_copies(batches)
    left_over = np.concatenate([left_over, copies])
    batches = [batch[np.argsort(durations[batch], kind="stable")] for batch in batches]
    steps = [batches[i : i + num_ranks] for i in range(0, wanted, num_ranks)]
    order = rng.permutation(len(steps))
    turns = rng.permuted(np.tile(np.arange(num_ranks), (len(steps), 1)), axis=1)
    return Cut([[steps[step][rank] for rank in turns[step]] for step in order], left_over)


def cost(batch: Rows, durations: Floats) -> float:
    """Seconds that a batch occupies, padding included."""
    return float(durations[batch].max()) * len(batch)


def padding_share(batches: list[Rows], durations: Floats) -> float:
    """Share of what batches occupy that is padding."""
    real = sum(float(durations[rows].sum()) for rows in batches)
    return 1 - real / sum(cost(rows, durations) for rows in batches)


def cut_by_cost(durations: npt.NDArray[np.float64], limit: float) -> list[int]:
    """Cut durations, in their order, where a batch would cost more than `limit` seconds; gives where the cuts are."""
    cuts = []
    start, end = 0, len(durations)
    size = 64  # rows to look at; it follows what batches turn out to hold
    while start < end:
        stretch = durations[start : start + size]
        costs = np.maximum.accumulate(stretch) * np.arange(1, len(stretch) + 1)
        fits = int(np.searchsorted(costs, limit, side="right"))
        if fits == len(stretch) < end - start:
            size *= 2
            continue
        start += max(1, fits)
        size = 2 * max(1, fits)
        cuts.append(start)
    return cuts[:-1]


def _most_random_order(
    rows: Rows, durations: Floats, max_batch_seconds: float, rng: np.random.Generator
) -> tuple[int, Rows]:
    """Sort rows by jittered length; gives how many batches they need and the rows in order."""
    lengths = durations[rows].astype(np.float64)
    logs, noise = np.log(lengths), rng.exponential(size=len(rows))

    def attempt(jitter: float) -> tuple[float, int, npt.NDArray[np.int64]]:
        order = np.argsort(logs + jitter * noise, kind="stable")
        edges = [0, *cut_by_cost(lengths[order], max_batch_seconds), len(rows)]
        highest = np.maximum.reduceat(lengths[order], edges[:-1])
        return 1 - lengths.sum() / float(highest @ np.diff(edges)), len(edges) - 1, order

    low, high = 0.0, WIDEST
    _, number, order = attempt(low)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        padding, found, jittered = attempt(middle)
        if padding <= PADDING:
            low, number, order = middle, found, jittered
        else:
            high = middle
    return number, rows[order]


def _even_cuts(durations: npt.NDArray[np.float64], wanted: int, limit: float) -> list[int]:
    """Cut into `wanted` batches by the least limit that gives no more than that; `limit` gives so many at most."""
    low, high = float(durations.max()), limit
    while high - low > 1e-3 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if len(cut_by_cost(durations, middle)) < wanted else (middle, high)
    cuts = cut_by_cost(durations, high)
    while len(cuts) < wanted - 1:  # ties can skip the exact number: halve the fullest batch
        edges = [0, *cuts, len(durations)]
        sizes = np.diff(edges)
        fullest = int(sizes.argmax())
        cuts.insert(fullest, edges[fullest] + int(sizes[fullest]) // 2)
    return cuts


def _separate_copies(batches: list[Rows], durations: Floats, limit: float) -> None:
    """Exchange copies of an utterance in a batch with utterances of batches nearby; none comes to cost over `limit`.

    Exchanges by which no batch gets costlier are preferred.
    """
    members = [set(batch.tolist()) for batch in batches]
    nearby = sorted(range(-REACH, REACH + 1), key=abs)[1:]

    def exchanged(i: int, place: int, grows: bool) -> bool:
        row = int(batches[i][place])
        for j in (i + offset for offset in nearby if 0 <= i + offset < len(batches)):
            if row in members[j] or not _has_room(batches[j], durations, float(durations[row]), grows, limit):
                continue
            for other in np.argsort(-durations[batches[j]], kind="stable").tolist():
                candidate = int(batches[j][other])
                if candidate not in members[i] and _has_room(
                    batches[i], durations, float(durations[candidate]), grows, limit
                ):
                    batches[i][place], batches[j][other] = candidate, row
                    members[i], members[j] = set(batches[i].tolist()), set(batches[j].tolist())
                    return True
        return False

    for i, batch in enumerate(batches):
        if len(members[i]) < len(batch):
            _, first = np.unique(batch, return_index=True)
            for place in np.delete(np.arange(len(batch)), first).tolist():
                if not exchanged(i, place, grows=False):
                    exchanged(i, place, grows=True)


def _without_copies(batches: list[Rows]) -> tuple[list[Rows], Rows]:
    """Take out of batches what could not be exchanged, and give it as well.

    What comes too often to be kept apart stays: left over again and again, a small domain would not get its share.
    """
    rows, counts = np.unique(np.concatenate(batches), return_counts=True)
    too_often = rows[counts > max(1, OFTEN * len(batches))]
    kept, taken = [], [rows[:0]]
    for batch in batches:
        _, first = np.unique(batch, return_index=True)
        stays = np.isin(batch, too_often)
        stays[first] = True
        kept.append(batch[stays])
        taken.append(batch[~stays])
    return kept, np.concatenate(taken)


def _has_room(batch: Rows, durations: Floats, seconds: float, grows: bool, limit: float) -> bool:
    """Tell whether an utterance of so many seconds can take another one's place in a batch."""
    longest = float(durations[batch].max())
    return seconds <= longest or (grows and seconds * len(batch) <= limit)
