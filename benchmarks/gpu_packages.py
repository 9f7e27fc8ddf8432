"""Packages for `gpu.py` on a machine without network: installs the wheels of a bundle. Imports no other package."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

from stt.errors import InputError

BASE = ("torch", "torchaudio", "torchmetrics", "lightning")  # what the machine must have, with what they require
LEFT_OUT = "machine_needs.txt"  # file in a bundle with the packages that had no room in it


def provide_packages(data: Path) -> None:
    """Put the packages of a bundle and this checkout on the path, also that of subprocesses.

    The wheels are installed into `data/site` unless this Python has all of their packages.

    Raises:
        InputError: the wheels do not suit this Python, or it lacks a package that is not in the bundle.
    """
    site, wheels = data / "site", sorted((data / "wheels").glob("*.whl"))
    _extend_path(ROOT)
    if site.is_dir():
        _extend_path(site)
    if missing(wheel.name.split("-")[0] for wheel in wheels):
        _install(wheels, site)
        _extend_path(site)
    left_out = data / LEFT_OUT
    lacking = missing([*BASE, *(left_out.read_text().split() if left_out.is_file() else [])])
    if lacking:
        raise InputError(f"{sys.executable} lacks {', '.join(lacking)}, and {data} had no room for them: install them")


def missing(requirements: Iterable[str]) -> list[str]:
    """Return those of the requirements (NAME or NAME==VERSION) of which no version is installed."""
    return [one for one in requirements if not _installed(one.partition("==")[0])]


def _installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _install(wheels: list[Path], site: Path) -> None:
    # Without dependencies: they are in the bundle or on the machine, whose torch must not be installed again.
    options = ["--quiet", "--no-index", "--no-deps", "--upgrade", "--disable-pip-version-check", f"--target={site}"]
    command = [sys.executable, "-m", "pip", "install", *options, *map(str, wheels)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        version = ".".join(map(str, sys.version_info[:2]))
        said = (done.stdout.strip().splitlines() or ["no output"])[-1].removeprefix("ERROR: ")
        raise InputError(f"the wheels in {wheels[0].parent} cannot be installed for Python {version}: {said}")


def _extend_path(folder: Path) -> None:
    path = str(folder.absolute())
    if path not in sys.path:
        sys.path.insert(0, path)
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if path not in inherited:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [path, *inherited]))
    importlib.invalidate_caches()
