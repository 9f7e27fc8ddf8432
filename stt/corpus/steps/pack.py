"""Pack a corpus: many small files become few large ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from stt.corpus.addresses import bytes_of_audio
from stt.corpus.manifest import Manifest, read_manifest, write_manifest
from stt.corpus.packing.codec import BYTES_PER_SECOND, Codec, check_rate
from stt.corpus.packing.shard import Packer
from stt.corpus.sharding.engine import Engine
from stt.corpus.sharding.job import Job
from stt.corpus.sharding.shards import edges_by_seconds, run_shards
from stt.errors import InputError

VERSION = 1


def run(
    manifest: Manifest,
    *,
    out: Path,
    engine: Engine,
    skip_bad: bool = False,
    codec: Codec = "opus",
    sample_rate: int = 16_000,
    shard_mb: int = 64,
    url: str = "",
) -> Manifest:
    """Pack audio into tar files of Ogg Opus or FLAC, mono, as WebDataset has them, and write a manifest of them.

    Every row becomes `KEY.opus` (or `.flac`) and `KEY.json` with its other columns. Audio that has the codec, the
    sample rate and one channel already is copied, all other is decoded and encoded. Every tar file is read back before
    it counts, and the folder OUT appears when it is complete. A command that was killed continues when started again.

    Args:
        manifest: what is packed.
        out: the folder to create.
        engine: who does the work.
        skip_bad: leave unreadable rows out and list them.
        codec: opus has some 29 kbit/s; flac the same samples.
        sample_rate: of the packed audio, Hz.
        shard_mb: approximate size of a tar file, megabytes.
        url: of the folder in which the tar files will be read, if not beside the manifest.
    """
    check_rate(codec, sample_rate)
    if shard_mb < 1:
        raise InputError(f"--shard-mb must be 1 or more, not {shard_mb}")
    name = manifest.path.stem
    options = {"codec": codec, "sample_rate": sample_rate, "shard_mb": shard_mb, "url": url, "skip_bad": skip_bad}
    out = out.absolute()
    options |= {"name": name}
    job = Job("pack", VERSION, options, manifest, out / f"{name}.parquet", beside=out, afterwards=["skip_bad"])
    if job.finished():
        return read_manifest(job.result)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"--out {out}: the folder is not empty, choose another one or delete it")
    bad_list = out.with_name(f"{out.name}.bad.csv")  # while there is no folder
    with job.folder() as folder:
        packed = folder / "packed"
        packer = Packer(packed, re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:40], codec, sample_rate, url)
        edges = edges_by_seconds(manifest, shard_mb * 1e6 / (BYTES_PER_SECOND[codec] * sample_rate))
        table, report = run_shards(manifest, packer, edges, folder / "shards", engine, skip_bad, f"packing {name}")
        for leftover in packed.glob(".*"):
            leftover.unlink()  # what a process was writing when it was killed
        if report.bad and not skip_bad:
            report.write(bad_list)
            raise InputError(report.refusal("the folder was not created", bad_list))
        if not report.kept:
            raise InputError("\n  ".join([f"{manifest.path}: no row could be packed", *report.lines()]))
        listed = packed / f"{name}.bad.csv"
        listed.unlink(missing_ok=True)  # of an attempt that was killed before the audio was mended
        if report.bad:
            report.write(listed)
        step = job.step(table, report, _sizes(manifest, packed))
        write_manifest(table, packed / job.result.name, manifest.normalizer, step)
        packed.replace(out)
    bad_list.unlink(missing_ok=True)  # of an earlier attempt
    return read_manifest(job.result)


def _sizes(manifest: Manifest, packed: Path) -> dict[str, Any]:
    """Return the bytes of the tar files; and of the audio before, if all of it is on this machine."""
    before, after = bytes_of_audio(manifest), sum(path.stat().st_size for path in packed.glob("*.tar"))
    sizes = {"bytes of tar files": after}
    return sizes | {"bytes of audio before": before, "space saved": f"{1 - after / before:.1%}"} if before else sizes
