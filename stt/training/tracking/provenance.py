"""Where a run comes from: the commit, the code, the data, the model that it began with."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from stt.corpus.manifest import Manifest
from stt.runs.folder import RunFolder

ROOT = Path(__file__).parents[3]  # of the template: it holds train.py and configs/
CODE = frozenset({".py", ".yaml", ".toml"})
LOCKFILE = "constraints.txt"


def commit_of(root: Path) -> dict[str, Any]:
    """Commit of a working tree, and whether something in it is not committed; empty where it is none of git's."""
    commit = _git(root, "rev-parse", "HEAD")
    return {"commit": commit, "changed": bool(_git(root, "status", "--porcelain"))} if commit else {}


def code_of(root: Path) -> list[Path]:
    """Files that make up the program: code, configurations and the lockfile that git knows; without git, the code."""
    listed = _git(root, "ls-files")
    files = [root / name for name in listed.splitlines()] if listed else [*root.glob("*.py"), *root.glob("stt/**/*.py")]
    return [file for file in files if file.is_file() and (file.suffix in CODE or file.name == LOCKFILE)]


def data_card(manifest: Manifest) -> dict[str, Any]:
    """What a manifest holds: its files with their SHA-256, utterances, hours, and hours by domain."""
    seconds = np.bincount(manifest.domain_index, weights=manifest.durations, minlength=len(manifest.domains))
    return {
        "files": {str(path): sha256(path) for path in manifest.files},
        "utterances": len(manifest),
        "hours": float(seconds.sum() / 3600),
        "hours_by_domain": dict(zip(manifest.domains, (seconds / 3600).tolist(), strict=True)),
    }


def model_card(checkpoint: Path, domains: list[str]) -> dict[str, Any]:
    """What is known of a checkpoint to begin with: its content, the domains in it, its W&B run where it has one."""
    known: dict[str, Any] = {"checkpoint": str(checkpoint), "domains": domains}
    if checkpoint.is_file():  # a run that goes on may have outlived it
        known["sha256"] = sha256(checkpoint)
    run = RunFolder.of_checkpoint(checkpoint)
    return known | ({"wandb_run": run.wandb_id.read_text().strip()} if run and run.wandb_id.is_file() else {})


def sha256(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    except OSError:  # there is no git
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
