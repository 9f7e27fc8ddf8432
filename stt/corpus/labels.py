"""Who has labelled the rows of a manifest: its column `labelled_by`."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from stt.corpus.columns import decode_dictionary
from stt.corpus.manifest import Manifest

LABELLED_BY = "labelled_by"
HUMAN, MACHINE = "human", "machine"  # a row that does not say is a human's


def labelled_hours(manifest: Manifest) -> dict[str, dict[str, float]]:
    """Return the hours by domain and label; without the column there are none."""
    if LABELLED_BY not in manifest.table.column_names:
        return {}
    column = manifest.table[LABELLED_BY]
    chunks = [decode_dictionary(chunk).cast(pa.large_string()) for chunk in column.chunks]
    names = pc.fill_null(pa.chunked_array(chunks, pa.large_string()), HUMAN)
    labels = pc.if_else(pc.equal(names, ""), HUMAN, names).combine_chunks().dictionary_encode()
    if isinstance(labels, pa.ChunkedArray):
        labels = labels.combine_chunks()
    count = len(labels.dictionary)
    index = manifest.domain_index * count + labels.indices.to_numpy()
    hours = np.bincount(index, manifest.durations, len(manifest.domains) * count).reshape(-1, count) / 3600
    return {
        domain: {label: float(row[i]) for i, label in enumerate(labels.dictionary.to_pylist())}
        for domain, row in zip(manifest.domains, hours, strict=True)
    }


def labels_table(manifest: Manifest) -> Table | None:
    """Format the hours and shares of the labels by domain for a terminal; None if the manifest does not say."""
    hours = labelled_hours(manifest)
    if not hours:
        return None
    labels = sorted({label for one in hours.values() for label in one})
    hours["all"] = {label: sum(one[label] for one in hours.values()) for label in labels}
    table = Table(title="labelled by, hours", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("domain", no_wrap=True)
    for label in labels:
        table.add_column(escape(label), justify="right", no_wrap=True)
    for domain, one in hours.items():
        total = sum(one.values())
        table.add_row(escape(domain), *(f"{one[label]:.2f} ({100 * one[label] / total:.1f} %)" for label in labels))
    return table
