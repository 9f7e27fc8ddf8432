from collections.abc import Callable
from pathlib import Path

import pytest

from stt.cli.main import main
from stt.decoding.options import BeamOptions, read_options
from stt.errors import InputError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": float("nan")}, "alpha of the beam search must be a finite number, not nan"),
        ({"beta": float("inf")}, "beta of the beam search"),
        ({"beam_width": 0}, "beam_width must be at least 1"),
        ({"hot_words": ("two words",)}, "a single word without spaces, not 'two words'"),
        ({"hot_words": ("",)}, "single word"),
    ],
)
def test_invalid_options_are_rejected(options: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        BeamOptions(**options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message):
        read_options(None, None, **options)


def test_the_command_line_reports_invalid_options(tmp_path: Path, fails: Callable[..., str]) -> None:
    message = fails(main, ["transcribe", str(tmp_path / "a.ckpt"), "a.wav", "--alpha", "nan"])
    assert "finite number, not nan" in message
