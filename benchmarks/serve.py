"""Load on `stt serve`: are requests lost or mixed up, how long do they take, and does memory grow?

Starts the service over a checkpoint, and sends it recordings of a manifest from many clients at once. Each knows the
text that the recording has when it is transcribed alone. First a minute of load, then, after a warm-up, many
requests; memory is the service's resident set.

    python benchmarks/serve.py CKPT MANIFEST --out docs/results/serve.json
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from common import write_report

from stt.corpus.manifest import read_manifest
from stt.errors import InputError
from stt.recognition.recognizer import Recognizer
from stt.recognition.transcriber import Transcriber

BOUNDARY = "a2f0c5"
Recording = tuple[bytes, str, float]  # body of the request, expected text, seconds


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/results/serve.json"))
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--warm-up", type=int, default=1_000)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    recordings = read_recordings(args.checkpoint, args.manifest)
    with service(args.checkpoint, args.threads) as (port, process):
        deadline = time.monotonic() + args.seconds
        minute = run(port, recordings, args.clients, lambda _: time.monotonic() < deadline)
        run(port, recordings, args.clients, lambda number: number < args.warm_up)
        before, used = resident_mb(process), cpu_seconds(process)
        many = run(port, recordings, args.clients, lambda number: number < args.requests)
        many["cpu_ms_per_answer"] = round(1e3 * (cpu_seconds(process) - used) / args.requests, 2)
        after = resident_mb(process)
    memory = {"after_warm_up_mb": before, "at_the_end_mb": after, "growth_mb": round(after - before, 1)}
    report = {"clients": args.clients, "recordings": len(recordings), "minute": minute, "many": many, "memory": memory}
    report["load_average"] = round(os.getloadavg()[0], 1)
    print(json.dumps(report))
    write_report(args.out, report)


def read_recordings(checkpoint: Path, path: Path) -> list[Recording]:
    """Return what is sent, with the text of each recording alone."""
    manifest = read_manifest(path)
    transcriber = Transcriber(Recognizer.load(checkpoint))
    found = []
    for row in range(len(manifest)):
        source = manifest.audio(row)
        [transcript] = transcriber.transcribe_all([source])
        if isinstance(transcript, InputError):
            raise transcript
        found.append((body(Path(source.address).read_bytes()), transcript.text, transcript.duration))
    return found


def body(audio: bytes) -> bytes:
    """Return the form of a request."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="'
    model = f'{head}model"\r\n\r\nany\r\n'
    file = f'{head}file"; filename="speech"\r\n\r\n'
    return f"{model}{file}".encode() + audio + f"\r\n--{BOUNDARY}--\r\n".encode()


@contextmanager
def service(checkpoint: Path, threads: int) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Run the service; yield its port and its process."""
    command = [sys.executable, "-m", "stt", "serve", str(checkpoint), "--port", "0", "--threads", str(threads)]
    environment = {name: value for name, value in os.environ.items() if name != "STT_TOKEN"}
    process = subprocess.Popen([*command, "--device", "cpu"], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout
        yield int(process.stdout.readline().partition(",")[0].rpartition(":")[2]), process
    finally:
        process.terminate()
        process.wait()


def resident_mb(process: subprocess.Popen[str]) -> float:
    """Return the memory of a process in MB (10^6 bytes)."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
    return round(int(status["VmRSS"].split()[0]) * 1024 / 1e6, 1)


def cpu_seconds(process: subprocess.Popen[str]) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(port: int, recordings: list[Recording], clients: int, goes_on: Callable[[int], bool]) -> dict[str, Any]:
    """Send requests from many clients, as long as it goes on; count what is lost or wrong."""
    numbers = itertools.count()
    waits: list[float] = []
    lost: list[str] = []
    wrong: list[tuple[str, str]] = []
    seconds: list[float] = []

    def client(seed: int) -> None:
        rng = random.Random(seed)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while goes_on(next(numbers)):
            content, expected, duration = rng.choice(recordings)
            began = time.monotonic()
            try:
                headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
                connection.request("POST", "/v1/audio/transcriptions", content, headers)
                response = connection.getresponse()
                answer = json.loads(response.read())
            except (OSError, http.client.HTTPException, ValueError) as error:
                lost.append(repr(error))
                connection.close()
                continue
            if response.status != 200:
                lost.append(str(answer))
            elif answer["text"] != expected:
                wrong.append((expected, answer["text"]))
            waits.append(time.monotonic() - began)
            seconds.append(duration)
        connection.close()

    began = time.monotonic()
    threads = [threading.Thread(target=client, args=(seed,)) for seed in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.monotonic() - began
    quantiles = np.quantile(waits, [0.5, 0.95, 1.0]).round(3).tolist()
    return {
        "seconds": round(elapsed, 1),
        "answers": len(waits),
        "lost": len(lost),
        "wrong": len(wrong),
        "examples": [*lost[:3], *map(str, wrong[:3])],
        "answers_per_second": round(len(waits) / elapsed, 1),
        "audio_seconds_per_second": round(sum(seconds) / elapsed, 1),
        "wait_seconds": dict(zip(("median", "95_percent", "longest"), quantiles, strict=True)),
    }


if __name__ == "__main__":
    main()
