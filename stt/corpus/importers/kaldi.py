"""Import a Kaldi data directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stt.corpus.row import Row, domain_of
from stt.errors import InputError

ADULT = 16  # years; who is younger counts as a child


def rows(source: Path, *, domain: str = "{speaker}", audio_root: Path | None = None) -> Iterator[Row]:
    """Read `text` and `wav.scp`, and `segments`, `utt2spk`, `spk2gender`, `spk2age`, `utt2dur` where there.

    Args:
        source: the data directory.
        domain: template over `utterance`, `speaker`, `gender`, `age` and `age_group` (child under 16,
            else adult), such as `{age_group}_{gender}`; or a plain name for all.
        audio_root: folder that paths in wav.scp are relative to; without it the data directory and
            its parent are tried.
    """
    texts = _read(source / "text")
    recordings = _read(source / "wav.scp")
    segments = _read(source / "segments", needed=False)
    durations = _read(source / "utt2dur", needed=False)
    speakers = _read(source / "utt2spk", needed=False)
    genders = _read(source / "spk2gender", needed=False)
    ages = _read(source / "spk2age", needed=False)
    roots = [audio_root] if audio_root else [source, source.parent]
    for utterance, (line, text) in texts.items():
        where = f"{source.name}/text:{line}"
        speaker = speakers.get(utterance, (0, ""))[1]
        age = ages.get(speaker, (0, ""))[1]
        fields = {
            "utterance": utterance,
            "speaker": speaker,
            "gender": genders.get(speaker, (0, ""))[1],
            "age": age,
            "age_group": ("child" if int(age) < ADULT else "adult") if age.isdigit() else "",
        }
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
        )


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


def _found(roots: list[Path], entry: str) -> Path:
    paths = [root / entry for root in roots]
    return next((path for path in paths if path.is_file()), paths[0])
