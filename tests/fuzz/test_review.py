"""The review of rejected utterances, on any manifest and on any export of Label Studio."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt.cli.main import main
from tests.curation.review.manifests import ROWS, write_rejected
from tests.curation.review.test_decide import EXPORTED, EXPORTED_MIN
from tests.fuzz.harness import fuzzed, mutated, run

LINES = "".join(
    f'{{"id": "{name}", "audio": "{i}.wav", "text": "{text}", "duration": 0.5, "domain": "{domain}", '
    f'"rule": "{rule}", "figure": {figure or 0.5}, "limit": {limit or 0.5}, "hypothesis": "{text}"}}\n'
    for i, (name, domain, text, _, rule, figure, limit) in enumerate(ROWS)
).encode()


@pytest.mark.parametrize("command", ["review", "decide"])
@fuzzed
@given(data=st.data())
def test_a_manifest_of_rejected_utterances(command: str, data: st.DataObject, tmp_path: Path) -> None:
    write_rejected(tmp_path)
    (tmp_path / "m.jsonl").write_bytes(data.draw(mutated(LINES)))
    options = ["--decisions", str(EXPORTED), "--out", str(tmp_path / "out.parquet")]
    options = options if command == "decide" else ["--out", str(tmp_path / "out.html"), "--utterances", "1"]
    run(main, ["corpus", command, str(tmp_path / "m.jsonl"), *options], tmp_path)


@pytest.mark.parametrize("export", [EXPORTED, EXPORTED_MIN], ids=["JSON", "JSON_MIN"])
@fuzzed
@given(data=st.data())
def test_an_export_of_label_studio(export: Path, data: st.DataObject, tmp_path: Path) -> None:
    manifest = write_rejected(tmp_path).path
    (tmp_path / "e.json").write_bytes(data.draw(mutated(export.read_bytes())))
    (tmp_path / "out.parquet").unlink(missing_ok=True)
    decisions = ["--decisions", str(tmp_path / "e.json"), "--out", str(tmp_path / "out.parquet")]
    outcome = run(main, ["corpus", "decide", str(manifest), *decisions], tmp_path)
    assert (tmp_path / "out.parquet").exists() == (outcome.code == 0)
