"""The command `stt corpus align`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from stt.cli.recognizing import Device, Threads
from stt.corpus.manifest import check_manifest_name
from stt.corpus.rejection import rejected_path
from stt.errors import InputError
from stt.progress import track_seconds

VERSION = 1  # of the alignment, in the records of manifests


def align(
    audio: Annotated[Path, typer.Argument(help="a recording of any length")],
    text: Annotated[Path, typer.Argument(help="its text, which may lack parts or have parts that are not spoken")],
    ckpt: Annotated[Path, typer.Option(help="checkpoint for the language, or folder of stt export")],
    out: Annotated[Path, typer.Option(help="manifest to write (.parquet)")],
    srt: Annotated[Path | None, typer.Option(help="subtitles to write")] = None,
    textgrid: Annotated[Path | None, typer.Option(help="Praat's TextGrid of the words to write")] = None,
    min_seconds: Annotated[float, typer.Option(help="shortest piece; shorter sentences are joined", min=0.0)] = 1.0,
    max_seconds: Annotated[float, typer.Option(help="longest piece; longer sentences are cut at pauses")] = 20.0,
    min_score: Annotated[
        float | None, typer.Option(help="lowest score of a piece, nats per token; default: found from the recording")
    ] = None,
    domain: Annotated[str | None, typer.Option(help="domain of all pieces; default: the name of the recording")] = None,
    id_prefix: Annotated[str, typer.Option(help="prefix for all ids, to keep them unique across recordings")] = "",
    device: Device = None,
    threads: Threads = None,
) -> None:
    """Cut a long recording with a rough text of it into utterances; what does not fit is listed in OUT.rejected.csv."""
    check_manifest_name(out)
    for path in (srt, textgrid):
        if path and path.is_dir():
            raise InputError(f"{path} is a folder; give the name of a file")
    if not max_seconds > min_seconds:
        raise InputError(f"--max-seconds {max_seconds:g} must be more than --min-seconds {min_seconds:g}")
    from stt.audio.io import audio_info  # imported here to keep --help fast
    from stt.corpus.columns import check_domains
    from stt.corpus.provenance import Input, Step
    from stt.corpus.texts import read_texts
    from stt.curation.align import write
    from stt.curation.align.align import align as align_text
    from stt.curation.align.pieces import Lengths
    from stt.files import file_hash
    from stt.inference.load import load
    from stt.recognition.recording import Recording

    domain = domain or audio.stem
    check_domains([domain], "--domain")
    lines = [one.text for one in read_texts([text])]
    recognizer = load(ckpt, device, threads)
    lengths = Lengths(min_seconds, max_seconds)
    with track_seconds("listening", audio_info(audio).duration) as heard:
        found = align_text(recognizer, Recording.of(audio), lines, str(text), lengths, min_score, heard)
    options = {"min_seconds": min_seconds, "max_seconds": max_seconds, "min_score": found.min_score}
    inputs = tuple(Input(path.name, file_hash(path)) for path in (audio, text, ckpt) if path.is_file())
    rejected_for = dict(Counter(piece.reason for piece in found.rejected).most_common())
    step = Step("align", VERSION, options, {domain: len(found.kept) + len(found.rejected)}, {}, inputs, rejected_for)
    normalizer = recognizer.normalizer.name
    write.write_pieces(found.kept, audio, out, domain, normalizer, id_prefix, step)
    write.write_rejected(found.rejected, out.with_suffix(".rejected.csv"))
    review = rejected_path(out)
    reviewed = write.write_review(found, audio, review, domain, normalizer, id_prefix, lengths, step)
    if srt:
        write.write_words(found, srt, "srt")
    if textgrid:
        write.write_words(found, textgrid, "textgrid")
    for kind, count in found.unknown.most_common():
        print(f"unknown to the checkpoint: {kind}: {count} times")
    reasons = "".join(f", {count} {reason}" for reason, count in rejected_for.items())
    rejected = f"{len(found.rejected)} rejected{reasons}"
    kept = sum(piece.end - piece.start for piece in found.kept)
    print(
        f"{len(found.kept)} pieces of {kept / 60:.1f} minutes, score {found.min_score:.2f} or more, written to {out}; "
        f"{rejected}, listed in {out.with_suffix('.rejected.csv')}"
    )
    if reviewed:
        print(f"{reviewed} of the rejected ones have times and can be reviewed: {review}")
