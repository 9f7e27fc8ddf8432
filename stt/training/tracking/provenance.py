"""Provenance of a run: the commit, the code, the data, the parent model."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from stt.corpus.manifest import Manifest
from stt.files import file_hash
from stt.runs.folder import RunFolder

ROOT = Path(__file__).parents[3]  # of the repository, with train.py and configs/
CODE = frozenset({".py", ".yaml", ".toml"})
LOCKFILE = "constraints.txt"


def commit_of(root: Path) -> dict[str, Any]:
    """Return the commit of a working tree and whether it has uncommitted changes; empty outside a git repository."""
    commit = _git(root, "rev-parse", "HEAD")
    return {"commit": commit, "changed": bool(_git(root, "status", "--porcelain"))} if commit else {}


def code_of(root: Path) -> list[Path]:
    """Return the source files: code, configurations and lockfile tracked by git; without git, only the code."""
    listed = _git(root, "ls-files")
    files = [root / name for name in listed.splitlines()] if listed else [*root.glob("*.py"), *root.glob("stt/**/*.py")]
    return [file for file in files if file.is_file() and (file.suffix in CODE or file.name == LOCKFILE)]


def data_card(manifest: Manifest) -> dict[str, Any]:
    """Describe a manifest: its files with their SHA-256, utterances, hours, and hours by domain."""
    seconds = np.bincount(manifest.domain_index, weights=manifest.durations, minlength=len(manifest.domains))
    return {
        "files": {str(path): file_hash(path) for path in manifest.files},
        "utterances": len(manifest),
        "hours": float(seconds.sum() / 3600),
        "hours_by_domain": dict(zip(manifest.domains, (seconds / 3600).tolist(), strict=True)),
    }


def model_card(checkpoint: Path, domains: list[str]) -> dict[str, Any]:
    """Describe a parent checkpoint: its SHA-256, its training domains, and its W&B run if any."""
    card: dict[str, Any] = {"checkpoint": str(checkpoint), "domains": domains}
    if checkpoint.is_file():  # a resumed run may have outlived it
        card["sha256"] = file_hash(checkpoint)
    run = RunFolder.of_checkpoint(checkpoint)
    return card | ({"wandb_run": run.wandb_id.read_text().strip()} if run and run.wandb_id.is_file() else {})


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    except OSError:  # git is not installed
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
