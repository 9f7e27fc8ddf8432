"""Export a Kaldi data directory."""

from __future__ import annotations

import re
from collections import defaultdict
from contextlib import ExitStack
from typing import TextIO

import pyarrow.compute as pc

from stt.audio.source import is_remote
from stt.corpus.columns import decode_dictionary
from stt.corpus.export import Abilities, Export, Utterance
from stt.errors import InputError

RESERVED = frozenset({"spk", "dur", "domain", "utt"})  # tables utt2X that the format itself has, or this export


def export(corpus: Export, *, speaker_prefix: bool = False) -> None:
    """Write `text`, `wav.scp`, `utt2spk`, `spk2utt`, `utt2dur`, `utt2domain`, a table utt2X for every other column X.

    Everything is sorted as in the C locale. Windows of longer audio go to `segments`. Spaces in ids and speakers become
    underscores. Kaldi itself reads WAV only; ESPnet, k2 and this project read all that libsndfile does.
    `stt corpus import kaldi OUT --domain '{domain}'` reads it back.

    Args:
        corpus: the manifest.
        speaker_prefix: put the speaker before the id, as Kaldi's validate_data_dir.sh wants.
    """
    _check_speakers(corpus)
    names = _names(corpus, speaker_prefix)
    order = sorted(range(len(names)), key=names.__getitem__)  # as bytes of UTF-8: code points have the same order
    windows = corpus.manifest.has_offsets
    recordings: dict[str, str] = {}  # id by address
    speakers: dict[str, list[str]] = defaultdict(list)
    last = ""
    with ExitStack() as stack:
        tables: dict[str, TextIO] = {}

        def write(table: str, key: str, value: object) -> None:
            if table not in tables:
                tables[table] = stack.enter_context(corpus.open(table))
            tables[table].write(f"{key} {' '.join(str(value).splitlines())}\n")

        for utterance in corpus.utterances(Abilities(offsets=True, refers=_can_refer), order):
            name = names[utterance.row]
            speaker = _joined(utterance.speaker or "") or name
            speakers[speaker].append(name)
            _count_losses(corpus, utterance, speaker < last)
            last = speaker
            for table, value in _entries(utterance, speaker).items():
                write(table, name, value)
            if windows:
                recording = recordings.setdefault(utterance.audio, f"rec-{len(recordings):08d}")
                start = utterance.offset or 0.0
                write("segments", name, f"{recording} {start} {start + utterance.duration}")
            else:
                write("wav.scp", name, utterance.audio)
        for address, recording in recordings.items():  # numbered, so they are sorted
            write("wav.scp", recording, address)
        for speaker, utterances in sorted(speakers.items()):
            write("spk2utt", speaker, " ".join(utterances))


def _entries(utterance: Utterance, speaker: str) -> dict[str, object]:
    """Return the value of an utterance in each table."""
    columns = {f"utt2{name}": cell for name, cell in utterance.extra.items() if _is_table(name, cell)}
    return {
        **columns,
        "text": " ".join(utterance.text.split()),
        "utt2spk": speaker,
        "utt2dur": utterance.duration,
        "utt2domain": utterance.domain,
    }


def _check_speakers(corpus: Export) -> None:
    """Count the rows whose speaker is written as another one.

    Raises:
        InputError: two speakers would become one.
    """
    given: dict[str, str] = {}
    for chunk in corpus.manifest.table["speaker"].chunks:
        for one in pc.value_counts(decode_dictionary(chunk)).to_pylist():
            speaker, count = one["values"] or "", one["counts"]
            joined = _joined(speaker)
            if joined != speaker:
                corpus.lost["the speaker, which is written as another one"] += count
            if joined and given.setdefault(joined, speaker) != speaker:
                raise InputError(
                    f"{corpus.manifest.path}: the speakers {given[joined]!r} and {speaker!r} would both be called "
                    f"{joined} in Kaldi, where names have no spaces"
                )


def _names(corpus: Export, speaker_prefix: bool) -> list[str]:
    """Return the id of every row, as Kaldi takes it.

    Raises:
        InputError: two rows get the same one.
    """
    ids = corpus.manifest.table["id"].to_pylist()
    names = [_joined(name) for name in ids]
    if speaker_prefix:
        speakers = [_joined(speaker or "") for speaker in corpus.manifest.table["speaker"].to_pylist()]
        names = [f"{speaker}-{name}" if speaker else name for speaker, name in zip(speakers, names, strict=True)]
    changed = sum(name != given for name, given in zip(names, ids, strict=True))
    if changed:
        corpus.lost["the id, which is written as another one"] = changed
    if len(set(names)) < len(names):
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise InputError(
            f"{corpus.manifest.path}: two utterances would be called {twice} in Kaldi, where ids have no spaces"
        )
    return names


def _count_losses(corpus: Export, utterance: Utterance, out_of_order: bool) -> None:
    if utterance.cer is not None:
        corpus.lost["the column cer"] += 1
    if utterance.speaker is None:
        corpus.lost["a missing speaker: every such utterance is its own"] += 1
    if out_of_order:
        corpus.lost["the order by speaker, which validate_data_dir.sh wants (use --speaker-prefix)"] += 1
    for name, cell in utterance.extra.items():
        if not _is_table(name, cell):
            corpus.lost[f"the column {name}"] += 1


def _can_refer(address: str) -> bool:
    """Whether wav.scp can contain an address: no URL, and nothing that Kaldi would run as a command."""
    return not is_remote(address) and address == address.strip() and not address.endswith("|") and "\n" not in address


def _joined(name: str) -> str:
    return "_".join(name.split())


def _is_table(column: str, cell: object) -> bool:
    """Whether a cell can be a line of a table `utt2COLUMN`."""
    named = re.fullmatch(r"\w{1,100}", column) is not None and column not in RESERVED
    return named and isinstance(cell, str | int | float) and "\n" not in str(cell)
