"""Import cuts of lhotse: a file of cuts, or a folder in the Shar format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from stt.audio.source import AudioSource, find_address
from stt.corpus.cuts import Segment, UnusableCutError, segments
from stt.corpus.json_lines import read_json_lines
from stt.corpus.row import Row, domain_of, template_fields
from stt.corpus.tar_spans import tar_spans
from stt.errors import InputError

ENDINGS = (".jsonl.gz", ".jsonl")


def rows(source: Path, *, domain: str = "{name}", audio_root: Path | None = None) -> Iterator[Row]:
    """Read `cuts.jsonl.gz`, or `cuts.*.jsonl.gz` and `recording.*.tar` of a Shar folder.

    Every supervision is an utterance; it has the id of its cut if there is no other in it. Utterances of Shar refer to
    their bytes in the tar, so nothing is unpacked. Cuts that are mixed, transformed or one channel of several are bad
    rows: a manifest cannot describe them. The fields of `custom` become columns.

    Args:
        source: a file of cuts, or a folder of them.
        domain: template over the fields of supervisions (speaker, gender, language ...), those of their and the cuts'
            `custom`, and `name` of the source; or a fixed name.
        audio_root: folder that paths in the cuts are relative to; by default that of the cuts and the current one.
    """
    files = [source] if source.is_file() else sorted(p for end in ENDINGS for p in source.glob(f"cuts*{end}"))
    if not files:
        raise InputError(f"{source}: no cuts found, which are in files cuts.jsonl.gz or cuts.000000.jsonl.gz")
    name = source.resolve().name.partition(".")[0]
    empty = dict.fromkeys(template_fields(domain))  # a field that a cut does not have is empty
    for path in files:
        spans, problem = _shard(path)
        roots = [audio_root] if audio_root else [path.parent, Path()]
        for record in read_json_lines(path):
            where = f"{path.name}:{record.line}"
            try:
                if record.error:
                    raise UnusableCutError(record.error)
                for segment in segments(record.cells):
                    audio = _audio(segment, spans, roots, problem)
                    fields = {**empty, **segment.fields, "name": name}
                    yield Row(
                        where,
                        audio.address,
                        segment.text,
                        domain_of(domain, fields, where),
                        duration=segment.duration,
                        offset=segment.offset,
                        speaker=segment.speaker,
                        cer=segment.cer,
                        id=segment.id,
                        byte_offset=audio.byte_offset,
                        byte_length=audio.byte_length,
                        extra=segment.extra,
                    )
            except UnusableCutError as error:
                yield Row(where, "", "", "", error=str(error))


def _shard(cuts: Path) -> tuple[Mapping[str, AudioSource], str]:
    """Return the audio of the cuts of a shard, and the reason why some may be missing."""
    ending = next((end for end in ENDINGS if cuts.name.endswith(end)), "")
    tar = cuts.with_name(f"recording{cuts.name.removesuffix(ending).removeprefix('cuts')}.tar")
    if not tar.is_file():
        return {}, f"{tar.name} is missing"
    return tar_spans(tar)


def _audio(segment: Segment, spans: Mapping[str, AudioSource], roots: list[Path], problem: str) -> AudioSource:
    if segment.address is None:
        found = spans.get(segment.cut)
        if found is None:
            raise UnusableCutError(f"the audio of the cut {segment.cut} was not found: {problem or 'not in the tar'}")
        return found
    return AudioSource(find_address(roots, segment.address))
