from collections.abc import Callable
from pathlib import Path

import pytest

from stt.cli.main import main
from stt.decoding.options import BeamOptions, read_options
from stt.errors import InputError


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"alpha": float("nan")}, "the alpha of a beam search must be a finite number, not nan"),
        ({"beta": float("inf")}, "the beta"),
        ({"beam_width": 0}, "beam_width must be 1 or more"),
        ({"hot_words": ("two words",)}, "one word without spaces, not 'two words'"),
        ({"hot_words": ("",)}, "one word"),
    ],
)
def test_options_that_make_no_sense_are_refused(given: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        BeamOptions(**given)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=said):
        read_options(None, None, **given)


def test_the_command_line_says_it_in_one_sentence(tmp_path: Path, fails: Callable[..., str]) -> None:
    said = fails(main, ["transcribe", str(tmp_path / "a.ckpt"), "a.wav", "--alpha", "nan"])
    assert "finite number, not nan" in said
