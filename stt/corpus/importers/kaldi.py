"""Import a Kaldi data directory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from stt.audio.source import find_address
from stt.corpus.columns import COLUMNS
from stt.corpus.lines import read_lines
from stt.corpus.row import Row, domain_of
from stt.errors import InputError

ADULT = 16  # years; younger speakers count as children
HANDLED = frozenset({"spk", "dur"})  # utt2spk and utt2dur are handled separately


def rows(source: Path, *, domain: str = "{speaker}", audio_root: Path | None = None) -> Iterator[Row]:
    """Read `text` and `wav.scp`, and `segments`, `utt2spk`, `utt2dur` if present; utterances keep their ids.

    Every other table `utt2X` or `spk2X` in the folder (spk2gender, utt2lang ...) defines a field X, which becomes a
    column and can be used in the domain template. A line of any table that cannot be read, or whose key an earlier one
    has, is a bad row.

    Args:
        source: the data directory.
        domain: template over `utterance`, `speaker`, `age_group` (from spk2age: child under 16, else adult) and the X
            of all tables, such as `{age_group}_{gender}`, or `{domain}` for utt2domain; or a fixed name.
        audio_root: folder that paths in wav.scp are relative to; by default the data directory and
            its parent are tried.
    """
    bad: list[Row] = []
    texts = _read(source / "text", bad)
    recordings = _read(source / "wav.scp", bad)
    segments = _read(source / "segments", bad, required=False)
    durations = _read(source / "utt2dur", bad, required=False)
    speakers = _read(source / "utt2spk", bad, required=False)
    utterance_tables, speaker_tables = _tables(source, "utt2", bad), _tables(source, "spk2", bad)
    yield from bad
    roots = [audio_root] if audio_root else [source, source.parent]
    for utterance, (line, text) in texts.items():
        where = f"{source.name}/text:{line}"
        speaker = speakers.get(utterance, (0, ""))[1]
        extra = dict.fromkeys(utterance_tables, "")
        extra |= {name: table.get(speaker, (0, ""))[1] for name, table in speaker_tables.items()}
        extra |= {name: table[utterance][1] for name, table in utterance_tables.items() if utterance in table}
        age = extra.get("age", "")
        group = ("child" if int(age) < ADULT else "adult") if age.isdecimal() and len(age) < 4 else ""
        fields = {"utterance": utterance, "speaker": speaker, "age_group": group, **extra}
        offset, duration, error = None, None, ""
        recording = utterance
        try:
            if utterance in segments:
                recording, start, end = segments[utterance][1].split()
                offset, duration = float(start), float(end) - float(start)
            elif utterance in durations:
                duration = float(durations[utterance][1])
        except ValueError:
            error = "invalid line in segments or utt2dur"
        entry = recordings.get(recording, (0, ""))[1]
        if not entry:
            error = f"wav.scp has no {recording}"
        elif entry.endswith("|"):
            error = "wav.scp contains a command, which is not supported; write the audio to files first"
        yield Row(
            where,
            find_address(roots, entry),
            text,
            domain_of(domain, fields, where),
            duration=duration,
            offset=offset,
            speaker=speaker or None,
            error=error,
            id=utterance,
            extra={name: value or None for name, value in extra.items() if name not in COLUMNS},
        )


def _tables(source: Path, prefix: str, bad: list[Row]) -> dict[str, dict[str, tuple[int, str]]]:
    """Read the folder's tables about utterances (`utt2`) or speakers (`spk2`), by field name."""
    paths = sorted(path for path in source.glob(f"{prefix}*") if path.is_file() and not path.suffix)
    names = {path.name.removeprefix(prefix): path for path in paths}
    return {name: _read(path, bad) for name, path in names.items() if name and name not in HANDLED and name != "utt"}


def _read(path: Path, bad: list[Row], required: bool = True) -> dict[str, tuple[int, str]]:
    """Read a Kaldi table as key: (line number, rest of the line), and append its bad lines to `bad`."""
    if not path.is_file():
        if required:
            raise InputError(f"{path}: file not found, which a Kaldi data directory must have")
        return {}
    entries = {}
    for number, line, error in read_lines(path):
        key, *rest = re.split(r"[ \t]+", line.strip(), maxsplit=1)
        error = error or (f"duplicate key {key}" if key in entries else "")
        if error:
            bad.append(Row(f"{path.parent.name}/{path.name}:{number}", "", "", "", error=error))
        elif key:
            entries[key] = (number, "".join(rest).strip())
    return entries
