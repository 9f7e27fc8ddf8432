"""A corpus of speech synthesized from texts: audio files, made in parallel, and a manifest."""

from __future__ import annotations

import math
import multiprocessing
import shutil
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from stt.corpus.columns import check_domains
from stt.corpus.manifest import write_manifest
from stt.corpus.report import Report
from stt.corpus.sharding.engine import result_of, submit
from stt.corpus.synthesis.engines import ENGINES, ESPEAK_NG
from stt.corpus.synthesis.plan import Utterance, plan
from stt.corpus.synthesis.recorded import PROGRAMS
from stt.corpus.synthesis.scene import Recordings, store_recordings
from stt.corpus.synthesis.sentences import read_sentences
from stt.corpus.synthesis.shard import SAMPLE_RATE, UTTERANCES, Shard, make_shard
from stt.corpus.synthesis.voices import choose_recorded_voices, choose_voices, list_voices
from stt.errors import InputError
from stt.files import locked
from stt.progress import track
from stt.text.normalize import Normalizer


@dataclass(frozen=True)
class Options:
    """What is spoken and how it sounds."""

    language: str  # all its accents, or one of them
    domain: str = "synthetic"
    hours: float | None = None  # None for every text once
    voices: int = 36  # of each engine
    engines: Sequence[str] = (ESPEAK_NG,)
    seed: int = 0
    noise: Path | None = None  # folder of recordings
    rirs: Path | None = None  # folder of recordings

    @property
    def seconds(self) -> float:
        """How much to synthesize at most."""
        return math.inf if self.hours is None else 3600 * self.hours


@dataclass
class Corpus:
    """What has been synthesized: rows of the manifest, the duration of all, and the texts that are not spoken."""

    rows: list[dict[str, object]] = field(default_factory=list)
    seconds: float = 0.0
    skipped: Report = field(default_factory=Report)


def synthesize(texts: Sequence[Path], out: Path, normalizer: Normalizer, options: Options, workers: int) -> Corpus:
    """Synthesize a corpus: audio in `OUT/audio/`, the manifest `OUT/train.parquet`, skipped texts in `OUT/skipped.csv`.

    The folder appears when it is complete; until then it is called `OUT.partial`, which the next attempt deletes.
    The same seed and options yield the same corpus, with any number of processes: because espeak-ng's output depends
    on its earlier output, a fresh process synthesizes each shard, which has a fixed number of utterances.

    Args:
        texts: text files with one sentence per line, and manifests.
        out: the folder to create.
        normalizer: applied to the texts.
        options: what is spoken and how it sounds.
        workers: number of parallel processes.

    Raises:
        InputError: there are no texts, voices or recordings, the folder cannot be created, or a process died.
    """
    out = out.resolve()
    _check_out(out, [path for path in (*texts, options.noise, options.rirs) if path])
    check_domains([options.domain], "--domain")
    corpus = Corpus()
    sentences = read_sentences(texts, normalizer, corpus.skipped)
    voices = _voices(options)
    with _partial(out) as partial:
        recordings = store_recordings(options.noise, options.rirs, SAMPLE_RATE, partial / "recordings")
        utterances = plan(sentences, voices, options.seed, endless=options.hours is not None)
        shards = _shards(utterances, partial, recordings, options, corpus)
        if options.hours is None:
            workers = min(workers, math.ceil(len(sentences) / UTTERANCES))
        progress = _collect(shards, workers, len(sentences), options, corpus)
        if options.hours is None:
            steps = track(progress, "synthesizing utterances", len(sentences))
        else:
            steps = track(progress, "synthesizing seconds of speech", math.ceil(options.seconds))
        for _ in steps:
            pass
        if not corpus.rows:
            engines = " or ".join(options.engines)
            raise InputError(f"{engines} speaks none of the {len(sentences)} texts in the language {options.language}")
        shutil.rmtree(partial / "recordings")
        _remove_surplus(partial, corpus)
        write_manifest(pa.Table.from_pylist(corpus.rows), partial / "train.parquet", normalizer.name)
        if corpus.skipped.bad:
            corpus.skipped.write(partial / "skipped.csv")
        partial.replace(out)
    return corpus


@contextmanager
def _partial(out: Path) -> Iterator[Path]:
    """Yield the path `OUT.partial`, where nothing is; what is there after the block is deleted.

    Raises:
        InputError: another process works there, or the file system has no locks.
    """
    partial, lock = out.with_name(f"{out.name}.partial"), out.with_name(f".{out.name}.lock")
    out.parent.mkdir(parents=True, exist_ok=True)
    with locked(lock, f"--out {out}: another process is synthesizing this corpus already"):
        try:
            shutil.rmtree(partial, ignore_errors=True)
            yield partial
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            lock.unlink(missing_ok=True)


def _check_out(out: Path, inputs: Sequence[Path]) -> None:
    """Check that the folder can be created.

    Raises:
        InputError: it exists and is not an empty folder, or an input is missing.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: this is a file, but the corpus is a folder")
    for path in inputs:
        if not path.exists():
            raise InputError(f"{path}: there is no such file or folder")
        if path.resolve().is_relative_to(out):
            raise InputError(f"--out {out}: the folder contains the input {path}, choose another one")
    if out.exists() and any(out.iterdir()):
        raise InputError(f"--out {out}: the folder is not empty, choose another one or delete it")


def _voices(options: Options) -> list[str]:
    """Choose the voices of all engines.

    Raises:
        InputError: an engine is unknown or not installed, or has no voice of the language.
    """
    chosen: list[str] = []
    for engine in options.engines:
        rng = np.random.default_rng(options.seed)
        if engine in PROGRAMS:
            chosen += choose_recorded_voices(PROGRAMS[engine](), options.language, options.voices, rng)
        elif engine == ESPEAK_NG:
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                available = result_of(submit(pool, list_voices))
            chosen += choose_voices(*available, options.language, options.voices, rng)
        else:
            raise InputError(f"--engine {engine}: no such engine, choose from {', '.join(ENGINES)}")
    return list(dict.fromkeys(chosen))


def _shards(
    utterances: Iterator[Utterance], folder: Path, recordings: Recordings, options: Options, corpus: Corpus
) -> Iterator[Shard]:
    number = 0
    while chunk := list(islice(utterances, UTTERANCES)):
        yield Shard(number, chunk, folder, options.seed, recordings, options.seconds - corpus.seconds)
        number += 1


def _collect(shards: Iterator[Shard], workers: int, sentences: int, options: Options, corpus: Corpus) -> Iterator[None]:
    """Synthesize shards and add them to the corpus until it is long enough, or no sentence of a pass can be spoken.

    Yields:
        Steps of the progress bar: seconds if a duration is wanted, otherwise utterances.
    """
    silent: set[str] = set()
    tried = 0
    with closing(_in_order(shards, workers)) as results:
        for shard, durations in results:
            for i, (utterance, seconds) in enumerate(zip(shard.utterances, durations, strict=False)):
                before = corpus.seconds
                if seconds:
                    row = {"audio": str(shard.audio(i)), "text": utterance.sentence.text, "speaker": utterance.voice}
                    corpus.rows.append({**row, "duration": seconds, "domain": options.domain})
                    corpus.seconds += seconds
                else:
                    silent.add(utterance.sentence.where)
                yield from [None] * (1 if options.hours is None else int(corpus.seconds) - int(before))
                if corpus.seconds >= options.seconds:
                    break
            tried += len(durations)
            if corpus.seconds >= options.seconds or (tried >= sentences and not corpus.rows):
                break
    if silent:
        reason = f"{' or '.join(options.engines)} speaks nothing of it"
        corpus.skipped.bad["silent text"] = [(where, reason) for where in sorted(silent)]


def _in_order(shards: Iterator[Shard], workers: int) -> Generator[tuple[Shard, list[float]], None, None]:
    """Synthesize shards in parallel, each in a fresh process, and yield the durations of their utterances in order."""
    context = multiprocessing.get_context("spawn")
    pending: deque[tuple[Shard, Future[list[float]]]] = deque()
    with ProcessPoolExecutor(workers, mp_context=context, max_tasks_per_child=1) as pool:
        try:
            for shard in shards:
                pending.append((shard, submit(pool, make_shard, shard)))
                if len(pending) > workers:
                    yield pending[0][0], result_of(pending.popleft()[1])
            while pending:
                yield pending[0][0], result_of(pending.popleft()[1])
        finally:
            pool.shutdown(cancel_futures=True)


def _remove_surplus(folder: Path, corpus: Corpus) -> None:
    """Delete audio that was synthesized beyond the wanted duration."""
    used = {row["audio"] for row in corpus.rows}
    for path in (folder / "audio").rglob("*.flac"):
        if str(path.relative_to(folder)) not in used:
            path.unlink()
