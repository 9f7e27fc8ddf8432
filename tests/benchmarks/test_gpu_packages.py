import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import gpu_bundle
import pytest
from gpu_bundle import closure, packages, write_wheels
from gpu_packages import BASE, LEFT_OUT, missing

from tests.conftest import MICRO, ROOT

PROVIDE = "import sys; from pathlib import Path; import gpu_packages as g; g.provide_packages(Path(sys.argv[1]))"


def write_wheel(folder: Path, tag: str = "py3-none-any") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path, info = folder / f"stt_test_tiny-1.0-{tag}.whl", "stt_test_tiny-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("stt_test_tiny.py", "VALUE = 5\n")
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: stt_test_tiny\nVersion: 1.0\n")
        file.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        file.writestr(f"{info}/RECORD", "")
    return path


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "benchmarks")}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


def test_missing_packages_are_installed_from_the_wheels_also_for_subprocesses(tmp_path: Path) -> None:
    write_wheel(tmp_path / "wheels")
    inside = "[sys.executable, '-c', 'import stt_test_tiny, stt.errors; print(stt_test_tiny.VALUE)']"
    done = python(f"{PROVIDE}; import stt_test_tiny, subprocess; subprocess.run({inside}, cwd='/')", str(tmp_path))
    assert (done.stdout, done.returncode) == ("5\n", 0), done.stderr
    (tmp_path / "wheels" / "stt_test_tiny-1.0-py3-none-any.whl").write_bytes(b"")  # not read again
    assert python(PROVIDE, str(tmp_path)).returncode == 0


def test_wheels_of_another_python_are_reported(tmp_path: Path) -> None:
    write_wheel(tmp_path / "wheels", "cp39-cp39-win32")
    assert "InputError: the wheels in" in python(PROVIDE, str(tmp_path)).stderr


def test_packages_that_the_machine_lacks_are_named(tmp_path: Path) -> None:
    (tmp_path / LEFT_OUT).write_text("stt-test-absent==1.0\nnumpy==1.0\n")
    assert "lacks stt-test-absent==1.0, and" in python(PROVIDE, str(tmp_path)).stderr
    assert missing(["NumPy", "stt_test_absent", *BASE]) == ["stt_test_absent"]


def test_the_smallest_wheels_come_first_and_those_without_room_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wheel(name: str, version: str, folder: Path) -> Path:
        path = folder / f"{name}-{version}-py3-none-any.whl"
        path.write_bytes(bytes(int(version)))
        return path

    monkeypatch.setattr(gpu_bundle, "wheel", wheel)
    assert write_wheels({"big": "90", "a": "30", "c": "20", "b": "40"}, tmp_path, room=95) == ["big==90"]
    assert sum(path.stat().st_size for path in (tmp_path / "wheels").iterdir()) == 90
    assert (tmp_path / LEFT_OUT).read_text() == "big==90\n"


def test_a_bundle_has_no_package_that_is_bound_to_the_machine_or_to_another_extra() -> None:
    wanted = packages()
    assert {"soundfile", "jsonargparse", "rapidfuzz", "pyarrow"} <= set(wanted)
    assert not {*BASE, "numpy", "stt", "kenlm", "pyctcdecode", "wandb", "triton", "av"} & set(wanted)


@pytest.mark.slow
def test_training_needs_no_package_beyond_the_base_and_the_bundle(
    tmp_path: Path, tones: Path, tokenizer_file: Path, only: Callable[[set[str]], dict[str, str]]
) -> None:
    data = [f"--data.train={tones}", f"--data.validate={tones}", f"--model.tokenizer={tokenizer_file}"]
    arguments = ["fit", f"--config={MICRO}", *data, f"--run={tmp_path / 'run'}", "--trainer.max_steps=2"]
    code = (
        "import sys; from stt.cli.train import main; main(sys.argv[1:]);"
        "import ablation_report, gpu_pieces; assert not {'kenlm', 'wandb', 'hypothesis'} & set(sys.modules)"
    )
    command = [sys.executable, "-S", "-c", code, *arguments]
    environment = only({*closure(BASE), *packages()})
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "wandb is not installed" in done.stderr


@pytest.fixture
def only(tmp_path: Path) -> Callable[[set[str]], dict[str, str]]:
    """Return the environment of a Python that has only some packages: a folder with links to them."""

    def make(names: set[str]) -> dict[str, str]:
        site = tmp_path / "site"
        site.mkdir()
        for name in names:
            installed = distribution(name)
            for entry in {file.parts[0] for file in installed.files or []} - {"..", "__pycache__"}:
                link = site / entry
                if not link.exists():
                    link.symlink_to(Path(str(installed.locate_file(entry))).resolve())
        path = [str(ROOT), str(ROOT / "benchmarks"), str(site)]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
        return {**inherited, "PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1"}

    return make
