"""Clean a corpus: rules keep what is fit for training, and what they reject is listed with the reason."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stt.corpus.manifest import Manifest, check_manifest_name, read_manifest, write_manifest
from stt.corpus.rejection import rejected_path
from stt.corpus.report import Report
from stt.corpus.sharding.engine import Engine
from stt.corpus.sharding.job import Job
from stt.corpus.sharding.shards import edges_by_seconds, run_shards
from stt.curation.clean.evidence import Evidence
from stt.curation.clean.limits import Limits, allowed_characters
from stt.curation.clean.measure import Measurement, not_measured
from stt.curation.clean.outcome import examples, kept_table, rejected_table, summary
from stt.curation.clean.rules import OF_SAMPLES, Verdict, check_names, judge
from stt.errors import InputError
from stt.files import delete_output, file_hash
from stt.runs.folder import find_checkpoint
from stt.sampling.curriculum.suspects import Suspects, find_suspects, sampler_state
from stt.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from stt.curation.recognize import Model

VERSION = 2
SHARD_SECONDS = 3600.0  # of audio
JUDGING = ("alphabet", "test", "run", "off", "skip_bad")  # options beside the limits that no measured figure depends on
HEARD_SECONDS = 900.0  # the same if a recognizer hears it, which takes longer


def run(
    manifest: Manifest,
    *,
    out: Path | None = None,
    engine: Engine,
    skip_bad: bool = False,
    min_seconds: float = 0.3,
    max_seconds: float = 30.0,
    min_chars_per_second: float = 1.0,
    max_chars_per_second: float = 30.0,
    alphabet: str = "",
    tokenizer: Path | None = None,
    max_silence: float = 0.9,
    min_level: float = -50.0,
    max_clipping: float = 0.01,
    min_snr: float = -4.0,
    max_same_audio: int = 1,
    max_same_text: int | None = None,
    test: list[Path] | None = None,
    ckpt: Path | None = None,
    max_label_score: float = 0.55,
    max_cer: float | None = None,
    run: Path | None = None,
    off: list[str] | None = None,
    dry_run: int = 0,
) -> Manifest | None:
    """Keep the utterances that break no rule in OUT, and list the others with the rule in OUT's name.rejected.parquet.

    Audio is read once, in parallel, for figures of every utterance; then the rules judge them. A command that was
    killed continues when started again.

    Args:
        manifest: what is cleaned.
        out: manifest to write (.parquet); not needed with `dry_run`.
        engine: who does the work.
        skip_bad: reject unreadable rows by the rule `unreadable` instead of failing.
        min_seconds: rule `duration`: least, seconds.
        max_seconds: rule `duration`: most, seconds.
        min_chars_per_second: rule `rate`: fewest characters of text per second of audio.
        max_chars_per_second: rule `rate`: most.
        alphabet: rule `alphabet`: all characters that texts may have beside the space; empty for any.
        tokenizer: the same as a tokenizer, whose characters texts may have.
        max_silence: rule `silence`: largest share of silent frames of 20 ms, 0..1.
        min_level: rule `level`: lowest level of the loudest parts, dB relative to full scale.
        max_clipping: rule `clipping`: largest share of samples at full scale, 0..1.
        min_snr: rule `snr`: lowest estimated SNR, dB.
        max_same_audio: rule `same_audio`: how many utterances may have the same samples.
        max_same_text: rule `same_text`: how many utterances of a domain may have the same text; default: any number.
        test: manifests of test sets, whose texts (rule `test_text`) and speakers (`test_speaker`) are rejected.
        ckpt: checkpoint that recognizes every utterance, for the rules `label_error` and `cer`.
        max_label_score: rule `label_error`: highest score; 0 if the text fits, 1 if no better than another one.
        max_cer: rule `cer`: highest CER, of what `ckpt` recognizes or else of the manifest's column; default: any.
        run: run folder of a training on this corpus, whose suspected label errors are rejected (rule `run`).
        off: name of a rule that is not applied; may be repeated.
        dry_run: judge only so many random rows, print examples of each rule, and write nothing.
    """
    if out is not None:
        check_manifest_name(out)
    elif not dry_run:
        raise InputError("give --out, the manifest to write; only --dry-run does without")
    limits = Limits(
        min_seconds,
        max_seconds,
        min_chars_per_second,
        max_chars_per_second,
        max_silence,
        min_level,
        max_clipping,
        min_snr,
        max_same_audio,
        max_same_text,
        max_cer,
        max_label_score,
    )
    limits.check()
    unused = sorted(set(off or ()))
    check_names(unused)
    if not 0 <= dry_run < 2**31:
        raise InputError(f"--dry-run must be a number of rows from 0 on, not {dry_run}")
    if max_cer is not None and ckpt is None and manifest.table["cer"].null_count == len(manifest):
        raise InputError("--max-cer needs --ckpt, or a manifest with the column cer")
    characters = allowed_characters(alphabet, Tokenizer.load(tokenizer) if tokenizer else None)
    tests = [read_manifest(path) for path in test or ()]
    model = _model(ckpt) if ckpt else None
    suspected = _Suspected(run) if run else None
    options = {
        **asdict(limits),
        "alphabet": "".join(sorted(characters or ())),
        "test": [f"{one.path.name} {one.fingerprint[:16]}" for one in tests],
        "ckpt": f"{model.path.name} {model.fingerprint[:16]}" if model else "",
        "run": str(suspected) if suspected else "",
        "off": unused,
        "skip_bad": skip_bad,
    }
    needed = model is not None or not set(OF_SAMPLES) <= set(unused)

    def judged(rows: Manifest, folder: Path, allow_bad: bool) -> tuple[Evidence, Verdict, Report]:
        figures, report = not_measured(len(rows)), Report(len(rows))
        if needed:
            edges = edges_by_seconds(rows, HEARD_SECONDS if model else SHARD_SECONDS)
            figures, report = run_shards(rows, Measurement(model), edges, folder, engine, allow_bad, "measuring")
        found = suspected.among(rows) if suspected else None
        evidence = Evidence(rows, figures, limits, characters, tests, found)
        return evidence, judge(evidence, unused), report

    if out is None or dry_run:
        with tempfile.TemporaryDirectory() as temporary:
            rows = _sample(manifest, dry_run)
            evidence, verdict, _ = judged(rows, Path(temporary), allow_bad=True)
            for line in (*examples(evidence, verdict), *_lines(summary(rows, verdict)), "nothing was written"):
                print(line)
        return None
    out = out.absolute()
    job = Job("clean", VERSION, options, manifest, out, afterwards=[*asdict(limits), *JUDGING])
    if job.finished():
        return read_manifest(out)
    rejected, bad_list = rejected_path(out), out.with_suffix(".bad.csv")
    job.check_unused(rejected)
    with job.folder() as folder:
        evidence, verdict, report = judged(manifest, folder, skip_bad)
        if report.bad and not skip_bad:
            report.kept -= report.bad_count  # they are rows of the figures as well
            report.write(bad_list)
            raise InputError(report.refusal("nothing was written", bad_list))
        notes = summary(manifest, verdict)
        if not verdict.kept.any():
            raise InputError("\n  ".join([f"{manifest.path}: no row would be kept", *_lines(notes)]))
        if verdict.kept.all():
            delete_output(rejected)  # of an attempt with other limits that was killed after it
        else:
            table = rejected_table(evidence, verdict, out.parent)
            write_manifest(table, rejected, manifest.normalizer, job.step(table, Report(), notes))
        table = kept_table(evidence, verdict, out.parent)
        write_manifest(table, out, manifest.normalizer, job.step(table, Report(), notes))
    bad_list.unlink(missing_ok=True)  # of an earlier attempt
    return read_manifest(out)


class _Suspected:
    """The curriculum in the checkpoint of a run."""

    def __init__(self, run: Path) -> None:
        from stt.checkpoint import read_checkpoint  # imported here to keep --help fast

        path = find_checkpoint(run)
        self.state = sampler_state(read_checkpoint(path), path)
        self.name = f"{path.parent.parent.name}/{path.name} {file_hash(path)[:16]}"

    def __str__(self) -> str:
        return self.name

    def among(self, rows: Manifest) -> Suspects:
        """Return the suspects among the rows of a manifest."""
        from stt.data.utterances import utterances_of

        return find_suspects(self.state, utterances_of(rows))


def _model(ckpt: Path) -> Model:
    """Return a recognizer, of which it is known that it can be loaded."""
    from stt.curation.recognize import Model  # imported here to keep --help fast

    model = Model(ckpt.absolute())
    model.load()
    return model


def _sample(manifest: Manifest, count: int) -> Manifest:
    """Return random rows, the same every time."""
    keep = np.zeros(len(manifest), np.bool_)
    keep[np.random.default_rng(0).permutation(len(manifest))[:count]] = True
    return manifest.filter(keep)


def _lines(notes: Mapping[str, Any]) -> list[str]:
    return [f"{name}: {value}" for name, value in notes.items()]
