import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

BIN = Path(sys.executable).parent


@pytest.mark.slow  # `make lint` does it too
@pytest.mark.parametrize(
    "command", [["ruff", "format", "--check", "."], ["ruff", "check", "."], ["mypy"], ["lint-imports"]], ids=" ".join
)
def test_the_code_passes(command: list[str]) -> None:
    program = shutil.which(command[0], path=str(BIN)) or pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([program, *command[1:]], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_readme_names_only_what_exists() -> None:
    text = (ROOT / "README.md").read_text()
    for word in text.replace("`", " ").split():
        if word.startswith(("configs/", "stt/", "docs/", "notebooks/")) and not any(mark in word for mark in "*<{…"):
            assert (ROOT / word.rstrip(".,:;)")).exists(), word


def test_the_readme_is_short_enough_to_be_read() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
