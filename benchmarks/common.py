"""Helpers shared by the benchmarks: running the project's command line and writing reports."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

from stt.corpus.manifest import Manifest, read_manifest, write_manifest
from stt.files import atomic_write
from stt.training.tracking.provenance import commit_of


def call(*arguments: str, output: Path | None = None) -> None:
    """Run Python with arguments and the project on its path; output goes to a file or is discarded."""
    with (output or Path(os.devnull)).open("w") as file:
        subprocess.run([sys.executable, *arguments], check=True, env=_environment(), stdout=file, stderr=file)


def output_of(*arguments: str) -> str:
    """Run Python with arguments and the project on its path, and return its standard output."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, check=True, env=_environment(), stdout=subprocess.PIPE, text=True).stdout


def _environment() -> dict[str, str]:
    path = f"{ROOT}{os.pathsep}{Path(__file__).parent}"
    return {**os.environ, "PYTHONPATH": path, "WANDB_MODE": "disabled"}


def fit(run: Path, *arguments: str, config: Path = ROOT / "configs/data/fsdd.yaml") -> None:
    """Train the size `tiny` with a configuration of data; a finished run is not repeated."""
    if (run / "test_metrics.json").exists():
        return
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True)
    configs = [f"--config={path}" for path in (ROOT / "configs/model/tiny.yaml", config)]
    options = [f"--run={run}", "--trainer.enable_progress_bar=false"]
    call(str(ROOT / "train.py"), "fit", *configs, *options, *arguments, output=run / "output.txt")


def seeded(seed: int) -> list[str]:
    """Return the options that seed a run."""
    return [f"--seed_everything={seed}", f"--data.seed={seed}"]


def select(source: Path, out: Path, domains: tuple[str, ...]) -> Path:
    """Write the rows of some domains to a new manifest next to the source."""
    manifest = read_manifest(source)
    return keep_rows(manifest, [manifest.domains[i] in domains for i in manifest.domain_index], out)


def keep_rows(manifest: Manifest, keep: Any, out: Path) -> Path:
    """Write the rows where `keep` is true to a new manifest in the same folder, and return its path."""
    write_manifest(manifest.table.filter(keep), out, manifest.normalizer)
    return out


def write_report(out: Path, results: dict[str, Any]) -> None:
    """Write results as JSON, with the command, the machine and the commit."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {device}, torch {torch.__version__}"
    command = " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    made = {"command": command, "machine": machine, **commit_of(ROOT)}
    text = json.dumps(made | {name: value for name, value in results.items() if name not in made}, indent=1)
    text = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda found: "[" + " ".join(found[1].split()) + "]", text)  # flat lists
    with atomic_write(out) as temporary:
        temporary.write_text(text + "\n")
