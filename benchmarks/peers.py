"""The speed of networks of other packages beside this project's: audio seconds per core-second, in one run.

Every network is built by its own package, at a published size, with random weights (`peer_networks.py`), and run in
several formats (`peer_formats.py`) on the same 15 seconds, one clip at a time, with one thread. All are held in one
process, and every round measures all of them once, in a new random order, so that a slow minute of the machine does
not fall on one network alone. Times are those of the processor; medians and quartiles over the rounds are reported.
Networks that cannot be built, exported or run are reported with the reason.

    python3.11 -m venv peers && peers/bin/pip install "nemo_toolkit[asr]==3.0.0" speechbrain==1.1.2 transformers \
        torch==2.11.0 torchaudio==2.11.0 onnx onnxruntime onnxscript soundfile av sentencepiece typer threadpoolctl
    OMP_NUM_THREADS=1 peers/bin/python benchmarks/peers.py

The first run also exports the networks, to runs/peers, and compiles them.
"""

from __future__ import annotations

import argparse
import datetime
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import ROOT, write_report
from peer_formats import FORMATS, Run, difference
from peer_networks import PEERS, SECONDS, Network, Peer

from stt.errors import reason
from stt.inference.speed import CPU, Seconds, clocks, rounded
from stt.inference.threads import limited_threads, machine, peak_memory_mb
from stt.progress import track

PACKAGES = ("nemo_toolkit", "onnx", "onnxruntime", "speechbrain", "torch", "torchaudio", "transformers")
REFERENCE = "PyTorch float32"  # of the outputs
BASE = "small"  # which the others are compared with


@dataclass
class Variant:
    """A network in a format, and the seconds (2,) of every measurement."""

    peer: Peer
    form: str
    run: Run
    difference: float
    seconds: list[Seconds] = field(default_factory=list)


def main() -> None:
    """Build everything, measure in rounds, write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=13)
    parser.add_argument("--peers", nargs="*", help="networks whose names start like this; default: all")
    parser.add_argument("--formats", nargs="*", choices=list(FORMATS), default=list(FORMATS))
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "peers", help="folder for exported networks")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "peers.json")
    args = parser.parse_args()
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(args.work.resolve() / "inductor"))  # g++ runs elsewhere
    peers = [one for one in PEERS if not args.peers or one.name.startswith(tuple(args.peers))]
    began, load = time.monotonic(), os.getloadavg()[0]
    with limited_threads(1):
        variants, parameters, failed = prepare(peers, {name: FORMATS[name] for name in args.formats}, args.work)
    prepared = time.monotonic()
    # Of this thread, in which ONNX Runtime runs as well; its first session has set it for itself.
    torch.set_flush_denormal(True)
    with limited_threads(1) as threads:  # again, because the packages have loaded more libraries
        measure(variants, args.rounds)
    report = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processor": machine(),
        "versions": {name: version(name) for name in PACKAGES},
        "threads": threads,
        "load_average": [round(load, 1), round(os.getloadavg()[0], 1)],
        "clip_seconds": SECONDS,
        "batch": 1,
        "rounds": args.rounds,
        "minutes": {
            "preparing": round((prepared - began) / 60, 1),
            "measuring": round((time.monotonic() - prepared) / 60, 1),
        },
        "peak_memory_mb": peak_memory_mb(),
        "networks": summarize(variants, parameters),
        "failed": failed,
    }
    write_report(args.out, report)
    print(table(report["networks"], args.formats))
    for name, why in failed.items():
        print(f"failed: {name}: {why}")


def prepare(
    peers: Sequence[Peer], formats: Mapping[str, Callable[[Network, Path], Run]], work: Path
) -> tuple[list[Variant], dict[str, int], dict[str, str]]:
    """Build the networks in all formats and run each twice; also return parameters, and reasons for what failed."""
    variants: list[Variant] = []
    parameters: dict[str, int] = {}
    failed: dict[str, str] = {}
    for peer in track(peers, "building"):
        try:
            network = build(peer)
            reference = FORMATS[REFERENCE](network, work)()
        except Exception as error:  # other packages may raise anything
            failed[peer.name] = reason(error, 300)
            continue
        parameters[peer.name] = sum(parameter.numel() for parameter in network.module.parameters())
        folder = work / peer.name.replace(" ", "_").replace(",", "")
        folder.mkdir(parents=True, exist_ok=True)
        for form, make in formats.items():
            try:
                # Packages replace parts of a network when they export it, so another copy is exported.
                run = make(build(peer) if form.startswith("ONNX") else network, folder)
                run()
                variants.append(Variant(peer, form, run, difference(run(), reference)))
            except Exception as error:
                failed[f"{peer.name}, {form}"] = reason(error, 300)
    return variants, parameters, failed


def build(peer: Peer) -> Network:
    """Build a network, always with the same random weights."""
    torch.manual_seed(0)
    return peer.build()


def measure(variants: Sequence[Variant], rounds: int) -> None:
    """Measure all variants once a round, in a new random order each."""
    rng = np.random.default_rng(0)
    order = [variants[i] for _ in range(rounds) for i in rng.permutation(len(variants))]
    for variant in track(order, "measuring"):
        started = clocks()
        variant.run()
        variant.seconds.append(clocks() - started)


def summarize(variants: Sequence[Variant], parameters: Mapping[str, int]) -> dict[str, Any]:
    """Return speeds by network and format, and how many times faster this project's network `small` is."""
    networks: dict[str, Any] = {}
    for variant in variants:
        peer = variant.peer
        about = {"package": peer.package, "million_parameters": round(parameters[peer.name] / 1e6, 1)}
        one = networks.setdefault(peer.name, about | ({"note": peer.note} if peer.note else {}) | {"formats": {}})
        one["formats"][variant.form] = speeds(variant)
    for one in networks.values():
        one["best_format"] = max(one["formats"], key=lambda form: _speed(one, form))
    for one in networks.values() if BASE in networks else ():
        base, common = networks[BASE], one["formats"].keys() & networks[BASE]["formats"].keys()
        one["small_to_it_in_the_best_formats"] = rounded(
            _speed(base, base["best_format"]) / _speed(one, one["best_format"])
        )
        one["small_to_it"] = {form: rounded(_speed(base, form) / _speed(one, form)) for form in sorted(common)}
    return networks


def _speed(network: Mapping[str, Any], form: str) -> float:
    return float(network["formats"][form]["audio_seconds_per_core_second"])


def speeds(variant: Variant) -> dict[str, Any]:
    """Return the median speed of a variant, its quartiles, and how its output differs from that of PyTorch."""
    seconds = np.array(variant.seconds)  # (round, 2)
    fast, median, slow = np.quantile(seconds[:, CPU], [0.25, 0.5, 0.75])
    return {
        "audio_seconds_per_core_second": rounded(SECONDS / median),
        "quartiles": [rounded(SECONDS / slow), rounded(SECONDS / fast)],
        "audio_seconds_per_wall_second": rounded(SECONDS / float(np.median(seconds[:, 1]))),
        "most_cores_used": round(float((seconds[:, 0] / seconds[:, 1]).max()), 2),
        "relative_difference_of_outputs": float(f"{variant.difference:.1g}"),
    }


def table(networks: Mapping[str, Any], formats: Sequence[str]) -> str:
    """Return the speeds as a Markdown table, for docs/speed.md; the best format of each network is bold."""
    heads = ["", "package", "M parameters", *formats, "`small` / it, best formats"]
    lines = [heads, ["---"] * len(heads)]
    for name, one in networks.items():
        cells = [f"{_speed(one, form):g}" if form in one["formats"] else "-" for form in formats]
        best = formats.index(one["best_format"])
        cells[best] = f"**{cells[best]}**"
        ratio = str(one.get("small_to_it_in_the_best_formats", "-"))
        lines.append([name, one["package"], str(one["million_parameters"]), *cells, ratio])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    main()
