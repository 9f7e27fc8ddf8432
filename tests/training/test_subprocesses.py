import sys
import time
from pathlib import Path

import pytest

from stt.errors import InputError
from stt.training.subprocesses import Deadline, OutOfTime, run_training, run_until

SLEEPS = "import time; print('started', flush=True); time.sleep(600)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"
SAVES = f"import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); {SLEEPS}"


def within(seconds: float, grace: float = 30.0) -> Deadline:
    return Deadline(time.monotonic() + seconds + grace, grace)


def python(code: str, deadline: Deadline, output: Path) -> int:
    return run_until(deadline, [sys.executable, "-c", code], output)


def test_a_command_that_ends_in_time_gives_its_exit_code_and_output(tmp_path: Path) -> None:
    assert python("print('fine'); exit(3)", within(60), tmp_path / "new" / "output.txt") == 3
    assert (tmp_path / "new" / "output.txt").read_text() == "fine\n"


def test_a_command_is_terminated_before_the_deadline_and_may_save(tmp_path: Path) -> None:
    assert python(SAVES, within(3), tmp_path / "output.txt") == 7


def test_a_command_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    with pytest.raises(OutOfTime, match=r"output\.txt"):
        python(DEAF, within(3, grace=0.5), tmp_path / "output.txt")


@pytest.mark.slow
def test_training_that_is_stopped_before_it_has_started_is_told_from_one_that_failed(tmp_path: Path) -> None:
    with pytest.raises(OutOfTime):
        run_training(["fit"], tmp_path / "output.txt", within(0))
    with pytest.raises(InputError) as failed:
        run_training(["fit", "--unknown=1"], tmp_path / "output.txt")
    assert not isinstance(failed.value, OutOfTime)
