"""Reads the files that W&B writes for an offline run; wandb no longer has a Python reader.

The file is a LevelDB log: after a header of 7 bytes, blocks of 32 KiB hold pieces of records, each piece behind its
checksum (4 bytes), length (2) and kind (1 whole, 2 first, 3 middle, 4 last); a record is a protobuf.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

BLOCK, HEADER, PIECE = 32_768, 7, 7
WHOLE, LAST = 1, 4


def records(path: Path) -> Iterator[Record]:
    data = path.read_bytes()
    assert data[:4] == b":W&B"
    position, content = HEADER, b""
    while position + PIECE <= len(data):
        if BLOCK - position % BLOCK < PIECE:  # no room for another piece: padding
            position += BLOCK - position % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        position += PIECE
        if position + length > len(data):  # still being written
            return
        content += data[position : position + length]
        position += length
        if kind in (WHOLE, LAST):
            record = Record()
            record.ParseFromString(content)
            yield record
            content = b""


class OfflineRun:
    """Configuration, history and artifacts of one start of a run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (self.path,) = folder.glob("run-*.wandb")
        self.id = self.path.stem.removeprefix("run-")
        self.config: dict[str, Any] = {}
        self.history: list[dict[str, Any]] = []
        self.artifacts: list[Any] = []
        self.axes: dict[str, str] = {}
        for record in self._all_records():
            kind = record.WhichOneof("record_type")
            if kind == "run":
                self._configure(record.run.config.update)
            elif kind == "config":
                self._configure(record.config.update)
            elif kind == "history":
                self.history.append({_name(item): json.loads(item.value_json) for item in record.history.item})
            elif kind == "request" and record.request.WhichOneof("request_type") == "log_artifact":
                self.artifacts.append(record.request.log_artifact.artifact)
            elif kind == "artifact":
                self.artifacts.append(record.artifact)
            elif kind == "metric":
                self.axes[record.metric.name or record.metric.glob_name] = record.metric.step_metric

    def _all_records(self) -> list[Record]:
        """All records; W&B's service may write the last ones shortly after the end of the run."""
        for _ in range(100):
            found = list(records(self.path))
            if any(record.WhichOneof("record_type") == "exit" for record in found):
                return found
            time.sleep(0.1)
        raise AssertionError(f"{self.path}: the run has no exit record")

    def _configure(self, updates: Any) -> None:
        for item in updates:
            self.config[_name(item)] = json.loads(item.value_json)

    @property
    def metrics(self) -> set[str]:
        return {name for line in self.history for name in line}


def _name(item: Any) -> str:
    return item.key or ".".join(item.nested_key)


def offline_runs(run: Path) -> list[OfflineRun]:
    return [OfflineRun(folder) for folder in sorted((run / "wandb").glob("offline-run-*"))]
