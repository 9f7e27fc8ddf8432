import os
from pathlib import Path

import pytest

from stt.cli.train import main
from stt.metrics.recognized import read_recognized
from stt.runs.folder import RunFolder


def test_all_utterances_are_written_and_found_from_any_working_directory(
    fit_args: list[str], tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tones.parent)
    relative = [arg.replace(str(tones), os.path.relpath(tones)) for arg in fit_args]
    assert relative != fit_args
    main(relative)
    monkeypatch.chdir(tmp_path)
    items = read_recognized(RunFolder(tmp_path / "run").recognized("validate"))
    assert [item.row for item in items] == list(range(1, 121))
    assert all(Path(item.audio).is_file() for item in items)
    assert {item.domain for item in items} == {"high", "low"}
    assert all(item.reference and item.seconds > 0.5 and item.level_range > 10 for item in items)


def test_sample_transcripts_show_the_same_utterances_of_each_domain_each_time(
    fit_args: list[str], tmp_path: Path
) -> None:
    main([*fit_args, "--transcripts.per_domain=2"])
    texts = [path.read_text() for path in sorted((tmp_path / "run" / "transcripts").glob("step-*.txt"))]
    assert len(texts) == 2
    names = [[line.split()[:2] for line in text.splitlines() if "  CER " in line] for text in texts]
    assert names[0] == names[1]
    assert [domain for domain, _ in names[0]] == ["high", "high", "low", "low"]
    assert all(line.startswith(("REF:", "HYP:", " ", "high", "low")) for line in texts[0].splitlines() if line)
