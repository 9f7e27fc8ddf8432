"""Gathers what the GPU measurements need on a machine without network: the corpus, the tokenizer and wheels.

    python benchmarks/gpu_bundle.py ../shared/data --out corpora/gpu

Wheels are those that the extra `train` needs beyond the packages of `gpu_packages.BASE`, in the versions of
constraints.txt, for Python 3.12 on x86-64 Linux. The smallest go in first; those without room are listed in a file.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import distribution
from pathlib import Path

from gpu_packages import BASE, LEFT_OUT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from stt.corpus.importers import kaldi
from stt.corpus.ingest import ingest
from stt.corpus.manifest import read_manifest
from stt.errors import InputError, exit_with
from stt.files import atomic_write
from stt.text.normalize import get_normalizer
from stt.text.tokenizer import train_tokenizer

MIB = 1 << 20
UNUSED = ("av", "praatio", "pysubs2")  # the bundle's audio is FLAC, and nothing is transcribed to subtitles
TARGET = ("--only-binary=:all:", "--python-version=3.12", "--platform=manylinux2014_x86_64")
NEWER = "--platform=manylinux_2_28_x86_64"  # of glibc; pip matches these names exactly
DOMAIN, NORMALIZER = "{age_group}_{gender}", "plain-1"


def main() -> None:
    """Write the bundle and print its sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="folder with speechocean762")
    parser.add_argument("--out", type=Path, default=Path("corpora/gpu"))
    parser.add_argument("--mib", type=float, default=60.0, help="maximum size of the bundle, MiB")
    args = parser.parse_args()
    try:
        write_corpus(args.source / "speechocean762", args.out)
        shutil.rmtree(args.out / "site", ignore_errors=True)  # installed from the wheels of an earlier bundle
        room = args.mib * MIB - _size(args.out, but="wheels")
        if room < 0:
            raise InputError(f"{args.out}: the corpus alone has more than {args.mib:g} MiB")
        left_out = write_wheels(packages(), args.out, room)
    except InputError as error:
        exit_with(error)
    audio, wheels = _size(args.out / "speechocean762"), _size(args.out / "wheels")
    print(f"{args.out}: {_size(args.out) / MIB:.1f} MiB, audio {audio / MIB:.1f}, wheels {wheels / MIB:.1f}")
    print(f"no room, the machine must have: {', '.join(left_out) or 'nothing'}")


def write_corpus(source: Path, out: Path, pieces: int = 100) -> None:
    """Copy a corpus (Kaldi data directories train and dev, and the audio), import it, and train a tokenizer.

    Raises:
        InputError: the corpus is not there, or has bad rows.
    """
    if not (source / "train").is_dir():
        raise InputError(f"{source}: no speechocean762 here; give the folder that contains it as DATA")
    copy = out / source.name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source, copy, copy_function=shutil.copyfile)  # without modes, which may be read-only
    for split in ("train", "dev"):
        rows = kaldi.rows(copy / split, domain=DOMAIN)
        ingest(rows, out / f"{split}.parquet", get_normalizer(NORMALIZER), skip_bad=False)
    tokenizer = train_tokenizer(read_manifest(out / "train.parquet").table["text"].to_pylist(), pieces)
    with atomic_write(out / "tokenizer.model") as temporary:
        temporary.write_bytes(tokenizer.model)


def packages() -> dict[str, str]:
    """Return names and installed versions of what `stt[train]` requires beyond `BASE` and its requirements."""
    base = closure(BASE)
    return {name: version for name, version in closure(["stt[train]"]).items() if name not in {"stt", *base, *UNUSED}}


def closure(requirements: Iterable[str]) -> dict[str, str]:
    """Return names and installed versions of requirements and of all that they require, on Python 3.12."""
    found: dict[str, str] = {}
    todo, seen = [Requirement(one) for one in requirements], set()
    while todo:
        one = todo.pop()
        if (one.name, *one.extras) in seen:
            continue
        seen.add((one.name, *one.extras))
        installed = distribution(one.name)
        found[canonicalize_name(one.name)] = installed.version
        for line in installed.requires or []:
            required = Requirement(line)
            environments: Iterator[Mapping[str, str]] = (
                {"extra": extra, "python_version": "3.12"} for extra in ("", *one.extras)
            )
            if required.marker is None or any(required.marker.evaluate(dict(value)) for value in environments):
                todo.append(required)
    return found


def write_wheels(wanted: Mapping[str, str], out: Path, room: float) -> list[str]:
    """Write the wheels of packages (name: version) that fit into `room` bytes; return and list the others.

    Raises:
        InputError: a package has no wheel that suits.
    """
    folder = out / "wheels"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    left_out = []
    with tempfile.TemporaryDirectory() as temporary:
        wheels = {wheel(name, version, Path(temporary)): f"{name}=={version}" for name, version in wanted.items()}
        for path in sorted(wheels, key=lambda path: path.stat().st_size):
            room -= path.stat().st_size
            if room < 0:
                left_out.append(wheels[path])
            else:
                shutil.copyfile(path, folder / path.name)
    with atomic_write(out / LEFT_OUT) as listed:
        listed.write_text("".join(f"{one}\n" for one in left_out))
    return left_out


def wheel(name: str, version: str, folder: Path) -> Path:
    """Download the wheel of a package, or build it if the package is pure Python.

    Raises:
        InputError: the package has no wheel that suits.
    """
    target = folder / name
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    package = f"{name}=={version}"
    download = [*pip, "download", "--no-deps", *TARGET, NEWER, f"--dest={target}", package]
    build = [*pip, "wheel", "--no-deps", f"--wheel-dir={target}", package]
    for command, pattern in ((download, "*.whl"), (build, "*-none-any.whl")):
        said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout
        for path in target.glob(pattern):
            return path
    raise InputError(f"{package} has no wheel for Python 3.12 on x86-64 Linux: {(said.splitlines() or [''])[-1]}")


def _size(folder: Path, but: str = "") -> int:
    files = (path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder).parts[0] != but)
    return sum(path.stat().st_size for path in files)


if __name__ == "__main__":
    main()
