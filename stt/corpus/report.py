"""The report of an import or a step: what was kept, what was left out and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stt.files import write_csv


@dataclass
class Report:
    """Result of an import: rows kept, bad and excluded rows by kind, and changes made by the normalizer."""

    kept: int = 0
    excluded: Counter[str] = field(default_factory=Counter)  # by the importer's options
    bad: defaultdict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))  # (where, reason)
    changed: Counter[str] = field(default_factory=Counter)
    changed_texts: int = 0  # in more than letter case, punctuation and spaces
    as_strings: list[str] = field(default_factory=list)  # columns whose values have no common type

    @property
    def bad_count(self) -> int:
        """Number of bad rows."""
        return sum(map(len, self.bad.values()))

    def lines(self) -> Iterator[str]:
        """Format the report: a line for each kind, with the first occurrences."""
        if self.changed_texts:
            yield f"normalizer: {self.changed_texts} of {self.kept} texts changed"
        for kind, count in self.changed.most_common():
            yield f"normalizer: {kind}: {count} times"
        for kind, count in self.excluded.most_common():
            yield f"excluded: {kind}: {count} rows"
        for name in self.as_strings:
            yield f"column {name}: the values have no common type, so they are stored as strings"
        for kind, rows in sorted(self.bad.items()):
            locations = ", ".join(where for where, _ in rows[:10]) + (" ..." if len(rows) > 10 else "")
            yield f"{kind}: {len(rows)} rows ({locations}); first: {rows[0][1]}"

    def refusal(self, consequence: str, bad_list: Path) -> str:
        """Say that there are bad rows, what follows from it and where they are listed."""
        total = self.bad_count + self.kept
        first = f"{self.bad_count} of {total} rows are bad, {consequence} (use --skip-bad to skip them; all are listed "
        return "\n  ".join([f"{first}in {bad_list}):", *self.lines()])

    @property
    def skipped(self) -> dict[str, int]:
        """Number of excluded rows by reason, and of bad rows by kind."""
        return dict(sorted(self.excluded.items())) | {kind: len(rows) for kind, rows in sorted(self.bad.items())}

    def write(self, path: Path) -> None:
        """List all bad rows in a CSV file."""
        rows = [(where, kind, reason) for kind, bad in self.bad.items() for where, reason in bad]
        write_csv(path, [("where", "kind", "reason"), *rows], errors="backslashreplace")
