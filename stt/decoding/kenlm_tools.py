"""KenLM's estimator, which its Python package leaves out: found on the path, or built once from the same sources."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

from stt.errors import InputError

log = logging.getLogger(__name__)
HOME = Path(sys.prefix) / "share" / "stt" / "kenlm"
# Boost without a package manager; 1.89 has no library "system" any more, which KenLM's build asks for.
BOOST = "cmeel-boost>=1.87,<1.89"
TOOLS = ("lmplz", "build_binary")


def kenlm_tool(name: str) -> Path:
    """Path of `lmplz` or `build_binary`; the first call on a machine builds them, which takes some minutes.

    Raises:
        InputError: they cannot be built, for lack of a compiler or of a network.
    """
    found = shutil.which(name)
    if found:
        return Path(found)
    built = HOME / "bin" / name
    if not built.exists():
        log.warning("building KenLM's tools into %s, once: some minutes", HOME)
        _build()
    return built


def _build() -> None:
    if not (shutil.which("c++") and shutil.which("make")):
        raise InputError("KenLM's lmplz is built from source and needs c++ and make; or install KenLM's tools yourself")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        sources = f"kenlm=={version('kenlm')}"
        _run([*pip, "download", "--no-deps", "--no-binary", "kenlm", "--dest", folder, sources])
        _run([*pip, "install", "--no-deps", "--upgrade", "--target", str(HOME / "boost"), BOOST])
        with tarfile.open(next(place.glob("kenlm-*.tar.gz"))) as archive:
            archive.extractall(place, filter="data")
        boost = HOME / "boost" / "cmeel.prefix"
        cmake = shutil.which("cmake") or _pip_cmake(pip, place)
        build = place / "build"
        options = [f"-DCMAKE_PREFIX_PATH={boost}", f"-DCMAKE_BUILD_RPATH={boost / 'lib'}"]
        # KenLM names a CMake older than what CMake 4 still understands.
        options += ["-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_POLICY_VERSION_MINIMUM=3.5"]
        _run([str(cmake), "-S", str(next(place.glob("kenlm-*/"))), "-B", str(build), *options])
        _run(["make", "-C", str(build), f"-j{os.cpu_count() or 1}", *TOOLS])
        (HOME / "bin").mkdir(parents=True, exist_ok=True)
        for name in TOOLS:
            temporary = HOME / "bin" / f".{name}.{os.getpid()}"
            shutil.copy2(build / "bin" / name, temporary)
            temporary.replace(HOME / "bin" / name)


def _pip_cmake(pip: list[str], place: Path) -> Path:
    _run([*pip, "install", "--target", str(place / "cmake"), "cmake>=3.25"])
    return place / "cmake" / "cmake" / "data" / "bin" / "cmake"


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        last = (done.stdout.strip().splitlines() or ["it printed nothing"])[-1]
        raise InputError(f"building KenLM's tools failed: {' '.join(command[:6])} ...: {last}")
