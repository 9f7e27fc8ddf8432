"""Where files lie in a tar archive, so that a manifest can refer to them without unpacking it."""

from __future__ import annotations

import tarfile
from pathlib import Path

from stt.audio.source import AudioSource
from stt.errors import reason

NOT_AUDIO = frozenset({".json", ".nodata", ".nometa"})  # what lhotse's Shar has beside the audio


def tar_spans(path: Path) -> tuple[dict[str, AudioSource], str]:
    """Return the byte span of every audio file in a tar, by its name in it without the extension.

    Only headers are read. The second value is empty, or says why the rest of a damaged archive cannot be read.
    """
    spans: dict[str, AudioSource] = {}
    try:
        size, last = path.stat().st_size, -1
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if member.offset <= last:  # crafted sizes can lead backwards, for ever
                    return spans, f"{path.name} is damaged at byte {member.offset}"
                last = member.offset
                name, dot, extension = member.name.rpartition(".")
                if not member.isreg() or dot + extension in NOT_AUDIO:
                    continue
                if not 0 < member.size <= size - member.offset_data:
                    return spans, f"{path.name} ends in the middle of {member.name}"
                spans.setdefault(name, AudioSource(str(path), member.offset_data, member.size))
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        return spans, f"{path.name} is damaged ({reason(error)})"
    return spans, ""
