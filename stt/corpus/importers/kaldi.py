"""Import a Kaldi data directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stt.audio.source import resolve_address
from stt.corpus.columns import COLUMNS
from stt.corpus.row import Row, domain_of
from stt.errors import InputError

ADULT = 16  # years; who is younger counts as a child
OWN = frozenset({"spk", "dur"})  # utt2spk and utt2dur have a task of their own


def rows(source: Path, *, domain: str = "{speaker}", audio_root: Path | None = None) -> Iterator[Row]:
    """Read `text` and `wav.scp`, and `segments`, `utt2spk`, `utt2dur` where there; utterances keep their ids.

    Every other table `utt2X` or `spk2X` of the folder (spk2gender, utt2lang ...) gives a field X, which becomes a
    column and can stand in the domain's template.

    Args:
        source: the data directory.
        domain: template over `utterance`, `speaker`, `age_group` (by spk2age: child under 16, else adult) and the X of
            all tables, such as `{age_group}_{gender}`, or `{domain}` for utt2domain; or a plain name for all.
        audio_root: folder that paths in wav.scp are relative to; without it the data directory and
            its parent are tried.
    """
    texts = _read(source / "text")
    recordings = _read(source / "wav.scp")
    segments = _read(source / "segments", needed=False)
    durations = _read(source / "utt2dur", needed=False)
    speakers = _read(source / "utt2spk", needed=False)
    of_utterance, of_speaker = _tables(source, "utt2"), _tables(source, "spk2")
    roots = [audio_root] if audio_root else [source, source.parent]
    for utterance, (line, text) in texts.items():
        where = f"{source.name}/text:{line}"
        speaker = speakers.get(utterance, (0, ""))[1]
        told = {name: table.get(speaker, (0, ""))[1] for name, table in of_speaker.items()}
        told |= {name: table[utterance][1] for name, table in of_utterance.items() if utterance in table}
        age = told.get("age", "")
        group = ("child" if int(age) < ADULT else "adult") if age.isdigit() else ""
        fields = {"utterance": utterance, "speaker": speaker, "age_group": group, **told}
        offset, duration, fault = None, None, ""
        recording = utterance
        try:
            if utterance in segments:
                recording, start, end = segments[utterance][1].split()
                offset, duration = float(start), float(end) - float(start)
            elif utterance in durations:
                duration = float(durations[utterance][1])
        except ValueError:
            fault = "its line in segments or utt2dur is not understood"
        entry = recordings.get(recording, (0, ""))[1]
        if not entry:
            fault = f"wav.scp has no {recording}"
        elif entry.endswith("|"):
            fault = "wav.scp holds a command, and commands are not run; write the audio out first"
        yield Row(
            where,
            _found(roots, entry),
            text,
            domain_of(domain, fields, where),
            duration=duration,
            offset=offset,
            speaker=speaker or None,
            fault=fault,
            id=utterance,
            extra={name: value or None for name, value in told.items() if name not in COLUMNS},
        )


def _tables(source: Path, prefix: str) -> dict[str, dict[str, tuple[int, str]]]:
    """Read the folder's tables about utterances (`utt2`) or speakers (`spk2`), by what they tell."""
    paths = sorted(path for path in source.glob(f"{prefix}*") if path.is_file() and not path.suffix)
    names = {path.name.removeprefix(prefix): path for path in paths}
    return {name: _read(path) for name, path in names.items() if name and name not in OWN and name != "utt"}


def _read(path: Path, needed: bool = True) -> dict[str, tuple[int, str]]:
    """Read a Kaldi table: key, then (line number, rest of the line)."""
    if not path.is_file():
        if needed:
            raise InputError(f"{path}: a Kaldi data directory must have this file")
        return {}
    entries = {}
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            key, _, rest = line.strip().partition(" ")
            if not key:
                continue
            key, tab, more = key.partition("\t")
            if key in entries:
                raise InputError(f"{path}:{number}: {key} is there twice")
            entries[key] = (number, (more + " " + rest if tab else rest).strip())
    return entries


def _found(roots: list[Path], entry: str) -> str:
    addresses = [resolve_address(root, entry) for root in roots]
    return next((address for address in addresses if Path(address).is_file()), addresses[0])
