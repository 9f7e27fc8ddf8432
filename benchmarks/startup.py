"""Time and memory from the manifest to the first training batch, for up to 16.5 million utterances.

Uses a synthetic corpus with the domains, durations and speaking rates of Open STT; every 200th text is outside the
tokenizer's alphabet. Each start is a separate process, like a rank of a training; the first one finds an empty cache.

    python benchmarks/startup.py --out docs/results/startup.json
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from common import write_report
from curriculum_scale import MAX_BATCH_SECONDS, MILLIONS

SIZE = 16_500_000
CHUNK_ROWS = 500_000  # generated at once
VOCABULARY = 300_000  # distinct words
PIECES = 1000
LETTERS = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъ"  # by frequency


def main() -> None:
    """Generate the corpus, then measure several starts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/results/startup.json"))
    parser.add_argument("--size", type=int, default=SIZE)
    parser.add_argument(
        "--folder", type=Path, default=Path("corpora/startup"), help="for the corpus, 1.1 GB, and a cache"
    )
    parser.add_argument("--part", choices=("make", "start"), help="run only this part, in this process")
    args = parser.parse_args()
    folder, cache = args.folder, args.folder / "stt"
    if args.part == "make":
        make(folder, args.size)
    elif args.part == "start":
        print(json.dumps(start(folder)))
    else:
        if not (folder / "corpus.parquet").exists():
            process("make", folder, args.size).wait()
        shutil.rmtree(cache, ignore_errors=True)
        starts = {name: results(process("start", folder, args.size)) for name in ("first", "second")}
        sizes = {file.name.split("-")[0]: file.stat().st_size / 1e6 for file in cache.iterdir() if file.stat().st_size}
        shutil.rmtree(cache)
        ranks = [process("start", folder, args.size) for _ in range(2)]
        together = [results(rank) for rank in ranks]
        size = (folder / "corpus.parquet").stat().st_size / 1e6
        report = {
            "utterances": args.size,
            "manifest_mb": size,
            "cache_mb": sizes,
            **starts,
            "two_ranks_first": together,
        }
        write_report(args.out, report)


def results(running: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a start and return the results that it printed."""
    output, _ = running.communicate()
    if running.returncode:
        raise SystemExit(running.returncode)
    print(output, end="", flush=True)
    return dict(json.loads(output))


def process(part: str, folder: Path, size: int) -> subprocess.Popen[str]:
    """Run a part of this benchmark in a new process, with a separate cache."""
    arguments = ["--part", part, "--folder", str(folder), "--size", str(size)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, __file__, *arguments], env=environment, stdout=subprocess.PIPE, text=True)


def start(folder: Path) -> dict[str, Any]:
    """Do everything that a training does before its first batch; seconds by part, memory in MB (10^6 bytes)."""
    seconds: dict[str, float] = {}
    began = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal began
        seconds[name], began = round(time.perf_counter() - began, 2), time.perf_counter()

    from stt.audio.features import LogMel
    from stt.corpus.manifest import read_manifests
    from stt.data.dataset import UtteranceDataset
    from stt.data.feasibility import feasible_rows
    from stt.data.utterances import utterances_of
    from stt.models import ConvTransformer
    from stt.recognition.recognizer import Recognizer
    from stt.sampling import BatchStream, CurriculumSampler
    from stt.sampling.shares import domain_shares
    from stt.text.normalize import get_normalizer
    from stt.text.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(folder / "tokenizer.model")
    model: Any = Recognizer(LogMel(), ConvTransformer(80), tokenizer, get_normalizer("russian-1"))
    lap("importing")
    manifest = read_manifests([folder / "corpus.parquet"])
    lap("reading the manifest")
    dataset = UtteranceDataset(manifest, model, training=True)
    keep, skipped = feasible_rows(dataset, model, 0.1, 30.0)
    lap("checking texts")
    utterances = utterances_of(manifest, keep)
    sampler = CurriculumSampler()
    sampler.start(utterances, 0)
    stream = BatchStream(sampler, utterances, domain_shares(manifest.domains, None), MAX_BATCH_SECONDS)
    lap("starting the sampler")
    next(stream.batches())
    lap("planning the first window")
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "seconds": round(sum(seconds.values()), 1),
        "seconds_by_part": seconds,
        "cpu_seconds": round(time.process_time(), 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
        "end_mb": {name: round(int(status[name].split()[0]) / 1e3) for name in ("VmRSS", "RssAnon", "RssFile")},
        "skipped": len(skipped),
        "load_average": round(os.getloadavg()[0], 1),
    }


def make(folder: Path, size: int) -> None:
    """Generate the manifest and the tokenizer."""
    import pyarrow as pa
    import pyarrow.parquet

    from stt.corpus.columns import cast_columns
    from stt.corpus.ids import with_ids
    from stt.corpus.manifest import NORMALIZER_KEY
    from stt.text.tokenizer import train_tokenizer

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    names = np.array(sorted(MILLIONS))
    shares = np.array([MILLIONS[name] for name in names]) / sum(MILLIONS.values())
    words = random_words(rng)
    popularity = 1 / np.arange(1, VOCABULARY + 1) ** 0.9
    cumulative = np.cumsum(popularity / popularity.sum())
    writer = None
    for first in range(0, size, CHUNK_ROWS):
        count = min(CHUNK_ROWS, size - first)
        durations = np.clip(rng.lognormal(1.3, 0.6, count), 0.05, 20).astype(np.float32)
        rate = np.clip(rng.lognormal(0.5, 0.25, count), 0.5, 4)  # words per second
        counts = np.maximum(1, np.round(durations * rate)).astype(np.int64)
        indices = np.searchsorted(cumulative, rng.random(int(counts.sum())), side="right").clip(max=VOCABULARY - 1)
        edges = np.concatenate([[0], np.cumsum(counts)])
        lists = pa.LargeListArray.from_arrays(pa.array(edges), words.take(pa.array(indices)))
        texts = pa.compute.binary_join(lists, " ")
        foreign = pa.array(np.arange(first, first + count) % 200 == 0)
        texts = pa.compute.if_else(foreign, pa.compute.binary_join_element_wise(texts, "name", " "), texts)
        domains = names[rng.choice(len(names), count, p=shares)]
        hashed = rng.integers(0, 16**15, count)
        audio = [f"{d}/{h:015x}"[: len(d) + 2] + f"/{h:015x}.opus" for d, h in zip(domains, hashed, strict=True)]
        columns = {"audio": audio, "text": texts, "duration": durations, "domain": domains}
        table = with_ids(cast_columns(pa.table(columns), folder))
        table = table.replace_schema_metadata({NORMALIZER_KEY: b"russian-1"})
        if writer is None:
            tokenizer = train_tokenizer(table["text"].filter(pa.compute.invert(foreign)).to_pylist()[:200_000], PIECES)
            (folder / "tokenizer.model").write_bytes(tokenizer.model)
            writer = pyarrow.parquet.ParquetWriter(folder / "new.parquet", table.schema, compression="zstd")
        writer.write_table(table)
    assert writer is not None
    writer.close()
    (folder / "new.parquet").rename(folder / "corpus.parquet")


def random_words(rng: np.random.Generator) -> Any:
    """Return words of random letters (word,)."""
    import pyarrow as pa

    weights: npt.NDArray[np.float64] = 1 / np.arange(1, len(LETTERS) + 1)
    lengths = rng.integers(1, 7, VOCABULARY) + rng.integers(0, 7, VOCABULARY)
    letters = np.array(list(LETTERS))[rng.choice(len(LETTERS), int(lengths.sum()), p=weights / weights.sum())]
    ends = np.cumsum(lengths)
    return pa.array(["".join(letters[end - n : end]) for end, n in zip(ends, lengths, strict=True)])


if __name__ == "__main__":
    main()
