import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stt.cli.main import main


def test_loading_speed_is_measured_by_domain_and_strength(tones: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--strength=0.5", "--strength=1.0", "--sample-rate=8000", "--utterances=5"]
    with pytest.raises(SystemExit) as done:
        main(["bench", "loading", str(tones), *options])
    assert done.value.code == 0
    speeds = json.loads(capsys.readouterr().out)
    assert set(speeds) == {"high", "low"}
    assert set(speeds["low"]) == {"reading", "strength 0.5", "strength 1"}
    assert speeds["low"]["reading"] >= speeds["low"]["strength 1"] > 0


def test_an_invalid_strength_is_rejected(tones: Path, fails: Callable[..., str]) -> None:
    assert "0..1" in fails(main, ["bench", "loading", str(tones), "--strength=2"])
