"""How much of each domain was skipped, and the limit above which a result is refused: it would be over other data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from stt.data.batch import Batch, Skipped
from stt.errors import InputError

MAX_SKIPPED_SHARE = 0.05  # of a domain's utterances in an evaluation, unless configured


class Completeness:
    """Counts of used and skipped utterances by domain."""

    def __init__(self) -> None:
        """Start without utterances."""
        self.used: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self._first: dict[str, Skipped] = {}  # of each domain, in manifest order

    @classmethod
    def merged(cls, parts: Iterable[Completeness]) -> Completeness:
        """Return the sum of the counts of several ranks."""
        total = cls()
        for part in parts:
            total.used += part.used
            total._add_skipped(part.skipped, part._first.values())
        return total

    def add(self, batch: Batch) -> None:
        """Count the utterances of a batch."""
        self.used.update(batch.domains)
        self._add_skipped(Counter(item.domain for item in batch.skipped), batch.skipped)

    def check(self, limit: float, option: str, at_least: int = 1) -> None:
        """Check every domain of which `at_least` so many utterances were counted.

        Args:
            limit: maximum share of skipped utterances, 0..1; a domain with no utterance left is always refused.
            option: option that sets the limit, for the message.
            at_least: number of utterances below which a domain is not judged.

        Raises:
            InputError: too many utterances of a domain were skipped; the message names the first one and its reason.
        """
        for domain in self.domains(at_least):
            count, total = self.skipped[domain], self.skipped[domain] + self.used[domain]
            if count > limit * total or count == total:
                allowed = "so none is left" if count == total else f"and {option} allows {100 * limit:g} %"
                raise InputError(
                    f"{count} of {total} utterances ({100 * count / total:.1f} %) of the domain {domain} were skipped, "
                    f"{allowed}; first reason: {self._first[domain].kind}, {self._first[domain].reason}"
                )

    def domains(self, at_least: int = 1) -> list[str]:
        """Return the sorted domains of which `at_least` so many utterances were counted."""
        return sorted(name for name, count in (self.used + self.skipped).items() if count >= at_least)

    def forget(self, domains: Iterable[str]) -> None:
        """Count these domains from zero again."""
        for domain in domains:
            for counts in (self.used, self.skipped, self._first):
                counts.pop(domain, None)

    def describe(self) -> str:
        """Return the number of skipped utterances with those of each domain, or an empty string if there are none."""
        by_domain = ", ".join(f"{domain} {count}" for domain, count in sorted(self.skipped.items()))
        return f"{self.skipped.total()} skipped ({by_domain})" if by_domain else ""

    def _add_skipped(self, counts: Counter[str], items: Iterable[Skipped]) -> None:
        self.skipped += counts
        for item in items:
            known = self._first.setdefault(item.domain, item)
            if item.row < known.row:
                self._first[item.domain] = item


def in_manifest_order(parts: Sequence[Sequence[Skipped]]) -> list[Skipped]:
    """Return the skipped utterances of all ranks in manifest order."""
    return sorted((item for part in parts for item in part), key=lambda item: item.row)
