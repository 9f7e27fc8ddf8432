"""KenLM's command line tools, which its Python package lacks: found on the PATH, or built once from its sources."""

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
# Boost without a system package manager; 1.89 removed the library "system", which KenLM's build requires.
BOOST = "cmeel-boost>=1.87,<1.89"
TOOLS = ("lmplz", "build_binary")


def kenlm_tool(name: str) -> Path:
    """Return the path of `lmplz` or `build_binary`; the first call on a machine builds them, which takes minutes.

    Raises:
        InputError: they cannot be built without a compiler or a network connection.
    """
    installed = shutil.which(name)
    if installed:
        return Path(installed)
    built = HOME / "bin" / name
    if not built.exists():
        log.warning("building KenLM's tools in %s (once, takes a few minutes)", HOME)
        _build()
    return built


def _build() -> None:
    if not (shutil.which("c++") and shutil.which("make")):
        raise InputError("building KenLM's lmplz requires c++ and make; alternatively install KenLM's tools yourself")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    with tempfile.TemporaryDirectory() as folder:
        work_dir = Path(folder)
        sources = f"kenlm=={version('kenlm')}"
        _run([*pip, "download", "--no-deps", "--no-binary", "kenlm", "--dest", folder, sources])
        _run([*pip, "install", "--no-deps", "--upgrade", "--target", str(HOME / "boost"), BOOST])
        with tarfile.open(next(work_dir.glob("kenlm-*.tar.gz"))) as archive:
            archive.extractall(work_dir, filter="data")
        boost = HOME / "boost" / "cmeel.prefix"
        cmake = shutil.which("cmake") or _pip_cmake(pip, work_dir)
        build = work_dir / "build"
        options = [f"-DCMAKE_PREFIX_PATH={boost}", f"-DCMAKE_BUILD_RPATH={boost / 'lib'}"]
        # KenLM requests a CMake version older than CMake 4 supports.
        options += ["-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_POLICY_VERSION_MINIMUM=3.5"]
        _run([str(cmake), "-S", str(next(work_dir.glob("kenlm-*/"))), "-B", str(build), *options])
        _run(["make", "-C", str(build), f"-j{os.cpu_count() or 1}", *TOOLS])
        (HOME / "bin").mkdir(parents=True, exist_ok=True)
        for name in TOOLS:
            temporary = HOME / "bin" / f".{name}.{os.getpid()}"
            shutil.copy2(build / "bin" / name, temporary)
            temporary.replace(HOME / "bin" / name)


def _pip_cmake(pip: list[str], work_dir: Path) -> Path:
    _run([*pip, "install", "--target", str(work_dir / "cmake"), "cmake>=3.25"])
    return work_dir / "cmake" / "cmake" / "data" / "bin" / "cmake"


def _run(command: list[str]) -> None:
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if result.returncode:
        last = (result.stdout.strip().splitlines() or ["no output"])[-1]
        raise InputError(f"building KenLM's tools failed: {' '.join(command[:6])} ...: {last}")
