import json
from pathlib import Path

import numpy as np

from stt.corpus.manifest import read_manifest
from stt.data.dataset import UtteranceDataset
from stt.data.feasibility import feasible_rows
from tests.conftest import StandIn


def test_every_infeasible_row_is_listed_with_the_reason(tmp_path: Path, tokenizer_file: Path) -> None:
    rows = [
        ("abc", 1.0, "", ""),
        ("abc", 0.05, "duration", "0.05 s is outside 0.1..10 s"),
        ("abc", 10.5, "duration", "10.50 s is outside 0.1..10 s"),
        ("abc", 10.0, "", ""),
        ("?", 1.0, "unusable text", "the text is empty"),
        ("ab %", 1.0, "unusable text", "the normalizer rejects symbol % in 'ab %'"),
        ("xyz", 1.0, "unusable text", "characters outside the tokenizer's alphabet: 'x' 'y' 'z'"),
        ("abcde" * 10, 1.0, "not alignable", "frames, there are 13"),
    ]
    lines = [
        {"audio": f"{i}.wav", "text": text, "duration": seconds, "domain": "d"}
        for i, (text, seconds, *_) in enumerate(rows)
    ]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    model = StandIn(tokenizer_file)
    data = UtteranceDataset(read_manifest(tmp_path / "m.jsonl"), model, training=True)
    keep, skipped = feasible_rows(data, model, 0.1, 10.0)
    expected = [i for i, (_, _, kind, _) in enumerate(rows) if kind]
    assert np.flatnonzero(~keep).tolist() == expected == [item.row for item in skipped]
    for item in skipped:
        assert item.name == f"{item.row}.wav"
        assert item.kind == rows[item.row][2]
        assert rows[item.row][3] in item.reason
