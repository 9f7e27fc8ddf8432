"""Manifests of rejected rows: an ordinary manifest, and columns that say why (docs/reviewing.md)."""

from __future__ import annotations

from pathlib import Path

COLUMNS = ("rule", "figure", "limit", "reason")  # they hold as long as the row is rejected


def rejected_path(out: Path) -> Path:
    """Return where the rows are written that are not in the manifest `out`."""
    return out.with_suffix(".rejected.parquet")
