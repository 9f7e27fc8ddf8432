from collections.abc import Callable
from pathlib import Path

import pytest

from stt.cli.train import main


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ("--model.encoder.conv_channels=null", "conv_channels"),
        ("--model.encoder.conv_kernel_sizes=[4,4]", "one entry per stage"),
        ("--trainer.max_time=-1", "cannot be instantiated"),
        ("--trainer.val_check_interval=-1", "it must be above 0"),
    ],
)
def test_arguments_that_a_class_refuses_are_one_sentence(
    option: str, named: str, fit_args: list[str], fails: Callable[..., str]
) -> None:
    errors = [line for line in fails(main, [*fit_args, option]).splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert named in errors[0]


def test_a_configuration_that_is_not_utf_8_is_one_sentence(
    fit_args: list[str], tmp_path: Path, fails: Callable[..., str]
) -> None:
    (tmp_path / "c.yaml").write_bytes(b"model: \xbd")
    assert "error: a configuration is not UTF-8" in fails(main, [*fit_args, f"--config={tmp_path / 'c.yaml'}"])
