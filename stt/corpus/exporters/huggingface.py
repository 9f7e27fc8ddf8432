"""Export a data set of Hugging Face: an audio folder, or Parquet files that contain the audio."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet

from stt.corpus.columns import COLUMNS
from stt.corpus.export import Abilities, Export, Utterance, json_line
from stt.errors import InputError

AUDIO = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
KNOWN = {"id": pa.string(), "transcription": pa.string(), "duration": pa.float32(), "domain": pa.string()}
OPTIONAL = {"speaker": pa.string(), "cer": pa.float32()}
SHARD_ROWS, GROUP_ROWS = 2_000, 100  # of a file, and in memory at once with their audio
VALUES = {pa.string(): "string", pa.large_string(): "large_string", pa.bool_(): "bool", pa.float32(): "float32"}
VALUES |= {pa.float64(): "float64"}
VALUES |= {getattr(pa, f"{sign}int{bits}")(): f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}


def export(corpus: Export, *, layout: Literal["audiofolder", "parquet"] = "audiofolder", split: str = "train") -> None:
    """Write an audio folder with `metadata.jsonl`, or Parquet files with the audio in them; audio is always copied.

    Texts are in the column `transcription`. `stt corpus import huggingface OUT --domain '{domain}'` reads it back.

    Args:
        corpus: the manifest.
        layout: audiofolder is for thousands of files, parquet for more.
        split: the beginning of the names of Parquet files, by which `datasets` knows the split.
    """
    if not re.fullmatch(r"\w{1,50}(\.\w{1,50})*", split):
        raise InputError(f"--split {split!r}: the name of a split consists of letters, digits, underscores and points")
    corpus.reserve("transcription")
    if layout == "parquet":
        _write_parquet(corpus, split)
        return
    corpus.reserve("file_name")
    with corpus.open("metadata.jsonl") as file:
        for utterance in corpus.utterances(Abilities(own_audio=True)):
            name = Path(utterance.audio).relative_to(corpus.final).as_posix()
            file.write(json_line({**utterance.extra, "file_name": name, **_cells(utterance)}))


def _write_parquet(corpus: Export, split: str) -> None:
    schema = _schema(corpus.manifest.table.schema)
    utterances = corpus.utterances(Abilities(own_audio=True, types=True))
    count = math.ceil(len(corpus.manifest) / SHARD_ROWS)
    (corpus.folder / "data").mkdir()
    for shard in range(count):
        path = corpus.folder / "data" / f"{split}-{shard:05d}-of-{count:05d}.parquet"
        with (
            pa.OSFile(os.fsencode(path), "wb") as file,
            pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer,
        ):
            for table in _groups(corpus, islice(utterances, SHARD_ROWS), schema):
                writer.write_table(table)
    for _ in utterances:  # none is left: this ends the progress bar
        pass
    shutil.rmtree(corpus.folder / "audio")


def _cells(utterance: Utterance) -> dict[str, Any]:
    return {
        "id": utterance.id,
        "transcription": utterance.text,
        "duration": utterance.duration,
        "domain": utterance.domain,
        "speaker": utterance.speaker,
        "cer": utterance.cer,
    }


def _schema(manifest: pa.Schema) -> pa.Schema:
    """Return the schema of Parquet files, with the description from which `datasets` knows what is audio."""
    extra = {column.name: _plain(column.type) for column in manifest if column.name not in COLUMNS}
    kinds = {"audio": AUDIO, **{name: kind for name, kind in extra.items() if name not in KNOWN}, **KNOWN, **OPTIONAL}
    if not all(kind in VALUES for name, kind in kinds.items() if name != "audio"):
        return pa.schema(list(kinds.items()))  # of other types, `datasets` makes its own description
    features = {
        name: {"_type": "Audio"} if name == "audio" else {"dtype": VALUES[kind], "_type": "Value"}
        for name, kind in kinds.items()
    }
    return pa.schema(list(kinds.items()), {"huggingface": json.dumps({"info": {"features": features}})})


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _groups(corpus: Export, utterances: Iterator[Utterance], schema: pa.Schema) -> Iterator[pa.Table]:
    while group := list(islice(utterances, GROUP_ROWS)):
        given = corpus.manifest.table.slice(group[0].row, len(group))  # in order, and none is left out
        columns: dict[str, pa.Array] = {}
        cells = [_cells(utterance) for utterance in group]
        for column in schema:
            if column.name == "audio":
                columns["audio"] = pa.array([_content(corpus, utterance) for utterance in group], AUDIO)
            elif column.name in KNOWN or column.name in OPTIONAL:
                columns[column.name] = pa.array([one[column.name] for one in cells], column.type)
            else:
                columns[column.name] = given[column.name].cast(column.type)
        yield pa.table(columns, schema=schema)


def _content(corpus: Export, utterance: Utterance) -> dict[str, Any]:
    path = corpus.folder / Path(utterance.audio).relative_to(corpus.final)
    content = path.read_bytes()
    path.unlink()
    return {"bytes": content, "path": path.name}
