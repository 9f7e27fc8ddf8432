"""Export a Kaldi data directory."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from stt.audio.source import is_remote
from stt.corpus.export import Abilities, Export, Utterance
from stt.errors import InputError

RESERVED = frozenset({"spk", "dur", "domain", "utt"})  # tables utt2X that the format itself has, or this export


def export(corpus: Export, *, speaker_prefix: bool = False) -> None:
    """Write `text`, `wav.scp`, `utt2spk`, `spk2utt`, `utt2dur`, `utt2domain`, a table utt2X for every other column X.

    Everything is sorted as in the C locale. Windows of longer audio go to `segments`. Spaces in ids become underscores.
    Kaldi itself reads WAV only; ESPnet, k2 and this project read all that libsndfile does.
    `stt corpus import kaldi OUT --domain '{domain}'` reads it back.

    Args:
        corpus: the manifest.
        speaker_prefix: put the speaker before the id, as Kaldi's validate_data_dir.sh wants.
    """
    names = _names(corpus, speaker_prefix)
    order = sorted(range(len(names)), key=names.__getitem__)  # as bytes of UTF-8: code points have the same order
    speakers: dict[str, list[str]] = defaultdict(list)
    recordings: dict[str, str] = {}  # address: id
    windows = corpus.manifest.table["offset"].null_count < len(names)
    with ExitStack() as stack:
        tables: dict[str, TextIO] = {}

        def write(table: str, key: str, value: object) -> None:
            if table not in tables:
                tables[table] = stack.enter_context(corpus.open(table))
            tables[table].write(f"{key} {value}\n")

        for utterance in corpus.utterances(Abilities(offsets=True, refers=_can_refer), order):
            name = names[utterance.row]
            speaker = _joined(utterance.speaker) if utterance.speaker else name
            _count_losses(corpus, utterance, name, speaker)
            speakers[speaker].append(name)
            write("text", name, " ".join(utterance.text.split()))
            write("utt2spk", name, speaker)
            write("utt2dur", name, utterance.duration)
            write("utt2domain", name, utterance.domain)
            if windows:
                recording = recordings.setdefault(utterance.audio, f"rec-{len(recordings):08d}")
                start = utterance.offset or 0.0
                write("segments", name, f"{recording} {start} {start + utterance.duration}")
            else:
                write("wav.scp", name, utterance.audio)
            for column, cell in utterance.extra.items():
                if _is_table(column) and isinstance(cell, str | int | float) and "\n" not in str(cell):
                    write(f"utt2{column}", name, cell)
                else:
                    corpus.lost[f"the column {column}"] += 1
        for address, recording in sorted(recordings.items(), key=lambda item: item[1]):
            write("wav.scp", recording, address)
        for speaker in sorted(speakers):
            write("spk2utt", speaker, " ".join(sorted(speakers[speaker])))


def _names(corpus: Export, speaker_prefix: bool) -> list[str]:
    """Return the id of every row, as Kaldi takes it.

    Raises:
        InputError: two rows get the same one.
    """
    ids = corpus.manifest.table["id"].to_pylist()
    names = [_joined(name) for name in ids]
    if speaker_prefix:
        speakers: Iterable[str | None] = corpus.manifest.table["speaker"].to_pylist()
        names = [
            f"{_joined(speaker)}-{name}" if speaker else name for speaker, name in zip(speakers, names, strict=True)
        ]
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


def _count_losses(corpus: Export, utterance: Utterance, name: str, speaker: str) -> None:
    if utterance.cer is not None:
        corpus.lost["the column cer"] += 1
    if utterance.speaker is None:
        corpus.lost["a missing speaker: every such utterance is its own"] += 1
    elif not name.startswith(speaker):
        corpus.lost["the order by speaker, which validate_data_dir.sh wants (use --speaker-prefix)"] += 1


def _can_refer(address: str) -> bool:
    """Whether wav.scp can contain an address: no URL, and nothing that Kaldi would run as a command."""
    return not is_remote(address) and address == address.strip() and not address.endswith("|") and "\n" not in address


def _joined(name: str) -> str:
    return "_".join(name.split())


def _is_table(column: str) -> bool:
    return re.fullmatch(r"\w{1,100}", column) is not None and column not in RESERVED and Path(column).name == column
