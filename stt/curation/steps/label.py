"""Label a corpus by machine: texts that a network recognizes, with calibrated confidences."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from stt.corpus.manifest import Manifest, check_manifest_name, read_manifest, read_manifests
from stt.corpus.report import Report
from stt.corpus.sharding.engine import Engine
from stt.corpus.sharding.job import Job
from stt.corpus.sharding.shards import edges_by_seconds, run_shards
from stt.errors import InputError
from stt.files import file_hash

if TYPE_CHECKING:  # these import torch
    from stt.curation.recognize import Model
    from stt.recognition.acoustic_model import AcousticModel

log = logging.getLogger(__name__)
VERSION = 1
SHARD_SECONDS = 1800.0  # of audio


def run(
    manifest: Manifest,
    *,
    out: Path,
    engine: Engine,
    ckpt: Path,
    calibrate: list[Path],
    max_wer: float = 0.1,
    decoder: Path | None = None,
    device: str = "cpu",
    skip_bad: bool = False,
) -> Manifest:
    """Give rows, with or without a text, the text that a checkpoint recognizes, and keep those that are sure enough.

    Confidences are calibrated on a manifest with texts that the checkpoint was not trained on: OUT has the rows whose
    expected word error rate is together at most MAX_WER, OUT.rejected.parquet the others, OUT.calibration.json and
    OUT.calibration.png how far the confidences can be trusted. A command that was killed continues when started again.

    Args:
        manifest: what is labelled.
        out: manifest to write (.parquet).
        engine: who does the work.
        ckpt: checkpoint for the language, or folder of `stt export`.
        calibrate: manifests with human texts, of the same domains as far as possible.
        max_wer: word error rate that the kept texts may have together, 0..1.
        decoder: decoder configuration, such as `stt lm tune` writes; by default that of the checkpoint.
        device: of the checkpoint: cpu, cuda ...; every process takes memory of a GPU, so give few workers with it.
        skip_bad: leave unreadable rows out and list them.
    """
    from stt.curation.label.labeller import Labeller  # imported here to keep --help fast
    from stt.curation.label.outcome import choose, observed_of
    from stt.curation.label.write import Labelled, paths_beside, write_labelled

    check_manifest_name(out)
    if not 0 < max_wer <= 1:
        raise InputError(f"--max-wer must be more than 0 and at most 1, not {max_wer:g}")
    model = _model(ckpt, decoder, device)
    recognizer, _ = model.load()  # fail before processes are started
    known = read_manifests(calibrate)
    _check_language(known, recognizer, ckpt)
    out = out.absolute()
    options = _options(model, decoder, known, max_wer, skip_bad)
    job = Job("label", VERSION, options, manifest, out, afterwards=["max_wer", "skip_bad"])
    if job.finished():
        return read_manifest(out)
    job.check_unused(*paths_beside(out))
    with job.folder() as folder:
        labeller = Labeller(model, out.parent)

        def labelled(rows: Manifest, name: str) -> tuple[pa.Table, Report]:
            edges = edges_by_seconds(rows, SHARD_SECONDS)
            return run_shards(rows, labeller, edges, folder / name, engine, skip_bad, f"recognizing {rows.path.name}")

        known_rows, report = labelled(known, "calibration")
        choice = choose(observed_of(known_rows), max_wer, known.path.name)  # fail before hours of work
        rows, own_report = labelled(manifest, "shards")
        for kind, bad in own_report.bad.items():
            report.bad[kind] += bad
        report.kept += own_report.kept
        _list_bad(report, out.with_suffix(".bad.csv"), skip_bad)
        choice = choice.raised(rows, max_wer)
        unknown = sorted(set(manifest.domains) - set(known.domains))
        if unknown:
            log.warning("%s: no row of the domain %s, whose WER may be another", known.path, ", ".join(unknown))
        write_labelled(Labelled(rows, known_rows, choice, max_wer), job, own_report, recognizer.normalizer.name)
    return read_manifest(out)


def _model(ckpt: Path, decoder: Path | None, device: str) -> Model:
    from stt.curation.recognize import Model
    from stt.decoding.options import read_options

    return Model(ckpt.absolute(), read_options(decoder) if decoder else None, device)


def _options(model: Model, decoder: Path | None, known: Manifest, max_wer: float, skip_bad: bool) -> dict[str, Any]:
    """Return what the result depends on."""
    files = [decoder] if decoder else []
    if model.decoder and model.decoder.beam and model.decoder.beam.lm:
        files.append(Path(model.decoder.beam.lm))
    return {
        "ckpt": f"{model.path.name} {model.fingerprint[:16]}",
        "calibrate": f"{known.path.name} {known.fingerprint[:16]}",
        "decoder": " ".join(f"{path.name} {file_hash(path)[:16]}" for path in files),
        "max_wer": max_wer,
        "skip_bad": skip_bad,
    }


def _check_language(known: Manifest, recognizer: AcousticModel, ckpt: Path) -> None:
    """Check that the checkpoint can spell most of the texts (of the first thousand).

    Raises:
        InputError: it cannot: it was trained for another language.
    """
    texts = [text for text in known.table["text"].slice(0, 1000).to_pylist() if text]
    alphabet = recognizer.tokenizer.alphabet
    foreign = [text for text in texts if not set(recognizer.normalizer(text).text) <= alphabet]
    if 2 * len(foreign) > len(texts):
        raise InputError(
            f"{known.path}: {len(foreign)} of {len(texts)} texts have letters that the checkpoint {ckpt} lacks, as "
            f"{foreign[0]!r:.100} has: it was trained for another language"
        )


def _list_bad(report: Report, path: Path, skip_bad: bool) -> None:
    if not report.bad:
        path.unlink(missing_ok=True)  # of an earlier attempt
        return
    report.write(path)
    if not skip_bad:
        raise InputError(report.refusal("nothing was labelled", path))
