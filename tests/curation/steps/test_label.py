import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stt.checkpoint import read_checkpoint
from stt.cli.main import main
from stt.corpus.manifest import Manifest, read_manifest
from stt.corpus.provenance import read_step
from stt.metrics.error_rate import corpus_wer
from stt.recognition.description import extract_description
from tests.conftest import RATE, ROOT, write_corpus

CKPT = "checkpoints/best.ckpt"
MAX_WER = 0.2
TEXT = "a bad cab"  # of the first rows before


def run(*args: object) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([str(arg) for arg in args])
    assert stopped.value.code == 0


def command(trained: Path, folder: Path, *options: object) -> list[str]:
    given = ["corpus", "label", folder / "new" / "manifest.jsonl", "--ckpt", trained / CKPT, "--workers", 1]
    given += ["--calibrate", folder / "known" / "manifest.jsonl", "--out", folder / "out.parquet", *options]
    return [str(arg) for arg in given]


def rewrite(manifest: Path, change: Callable[[int, dict[str, object]], None]) -> None:
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    for row, line in enumerate(lines):
        change(row, line)
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))


def write_inputs(folder: Path) -> None:
    """60 utterances with texts; 24 others of which three have a text, one is broken, one silent and one noise."""
    write_corpus(folder / "known", 60, seed=1)
    manifest = write_corpus(folder / "new", 24, seed=2)
    (folder / "new" / "4.wav").write_bytes(b"broken")
    soundfile.write(folder / "new" / "5.wav", np.zeros(RATE), RATE)
    soundfile.write(folder / "new" / "6.wav", np.random.default_rng(0).normal(0, 0.2, RATE), RATE)
    rewrite(manifest, lambda row, line: line.update({"duration": 1.0} if row in (5, 6) else {}, truth=line["text"]))
    rewrite(manifest, lambda row, line: line.update(text=TEXT if row < 3 else ""))


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    write_inputs(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def labelled(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a corpus that was labelled."""
    folder = tmp_path_factory.mktemp("labelled")
    write_inputs(folder)
    run(*command(trained, folder, "--max-wer", MAX_WER, "--skip-bad"))
    return folder


def rows(manifest: Manifest) -> dict[int, dict[str, object]]:
    """Return rows by the number of their audio file."""
    return {int(Path(str(row["audio"])).stem): row for row in manifest.table.to_pylist()}


def test_the_kept_rows_have_the_machines_texts_and_say_so(trained: Path, labelled: Path) -> None:
    manifest = read_manifest(labelled / "out.parquet")
    description = extract_description(read_checkpoint(trained / CKPT))
    assert manifest.normalizer == description["normalizer"]
    kept = rows(manifest)
    assert len(kept) > 5
    assert corpus_wer((str(row["truth"]), str(row["text"])) for row in kept.values()) <= MAX_WER
    for number, row in kept.items():
        assert row["labelled_by"] == "machine"
        assert row["text"]
        assert row["cer"] is None
        assert 0 <= float(str(row["confidence"])) <= 1
        assert row["original"] == (TEXT if number < 3 else "")
        assert manifest.audio(list(kept).index(number)).address.endswith(f"/new/{number}.wav")
    assert not [name for name in manifest.table.column_names if name.startswith("label.")]


def test_what_is_rejected_says_why_and_nothing_is_lost(labelled: Path) -> None:
    kept, rejected = (rows(read_manifest(labelled / f"out{part}.parquet")) for part in ("", ".rejected"))
    assert kept.keys() | rejected.keys() == set(range(24)) - {4}
    assert not kept.keys() & rejected.keys()
    assert "4.wav" in (labelled / "out.bad.csv").read_text()
    assert 5 in rejected
    for number, row in rejected.items():
        assert row["text"] == (TEXT if number < 3 else "")
        if row["rule"] == "confidence":
            assert float(str(row["figure"])) < float(str(row["limit"]))
            assert row["hypothesis"]
        else:
            assert (row["rule"], row["hypothesis"], row["confidence"]) == ("empty hypothesis", "", 0.0)


def test_the_record_and_the_reports_tell_how_sure_it_is(labelled: Path) -> None:
    step = read_step(labelled / "out.parquet")
    assert step is not None
    assert (step.name, step.skipped) == ("label", {"unreadable audio": 1})
    assert step.options["ckpt"].startswith("best.ckpt ")
    assert {"kept", "kept of high", "kept of low", "expected WER", "calibration"} == step.notes.keys()
    hours = read_manifest(labelled / "out.parquet").durations.sum() / 3600
    assert step.notes["kept"].startswith(f"{hours:.2f} of ")
    assert (labelled / "out.calibration.png").read_bytes().startswith(b"\x89PNG")
    report = json.loads((labelled / "out.calibration.json").read_text())
    assert report["domains"]["all"]["kept_wer"] <= MAX_WER
    for when in ("before", "after"):
        assert sum(one["words"] for one in report[f"{when} calibration"]["bins"]) > 60


def test_machine_and_human_labels_are_merged_and_counted(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    human, machine, both = tmp_path / "human.parquet", labelled / "out.parquet", tmp_path / "all.parquet"
    run("corpus", "import", "table", labelled / "known" / "manifest.jsonl", "--out", human)
    run("corpus", "merge", human, machine, "--out", both)
    capsys.readouterr()
    run("corpus", "stats", both)
    said = re.sub(" +", " ", capsys.readouterr().out)
    hours = [read_manifest(path).durations.sum() / 3600 for path in (human, machine)]
    share = 100 * hours[1] / sum(hours)
    assert f"all {hours[0]:.2f} ({100 - share:.1f} %) {hours[1]:.2f} ({share:.1f} %)" in said
    run("corpus", "stats", human)
    assert "labelled" not in capsys.readouterr().out


def test_a_checkpoint_of_another_language_is_an_error(trained: Path, inputs: Path, fails: Callable[..., str]) -> None:
    rewrite(inputs / "known" / "manifest.jsonl", lambda row, line: line.update(text="привет мир"))
    said = fails(main, command(trained, inputs))
    assert "60 of 60 texts have letters that the checkpoint" in said
    assert "it was trained for another language" in said


def test_what_is_recognized_already_is_used_with_bad_rows_skipped_and_another_limit(
    trained: Path, inputs: Path, fails: Callable[..., str]
) -> None:
    assert "1 of 84 rows are bad" in fails(main, command(trained, inputs, "--max-wer", 0.3))
    for path in (inputs / "known").glob("*.wav"):
        path.unlink()  # so that they cannot be recognized again
    run(*command(trained, inputs, "--max-wer", MAX_WER, "--skip-bad"))
    step = read_step(inputs / "out.parquet")
    assert step is not None
    assert (step.options["max_wer"], step.options["skip_bad"]) == (MAX_WER, True)


def test_an_empty_manifest_a_present_result_and_a_wrong_limit_are_errors(
    trained: Path, inputs: Path, fails: Callable[..., str]
) -> None:
    assert "--max-wer must be more than 0" in fails(main, command(trained, inputs, "--max-wer", 0))
    (inputs / "out.parquet").write_text("mine")
    assert "out.parquet exists already, choose another name" in fails(main, command(trained, inputs))
    assert (inputs / "out.parquet").read_text() == "mine"
    (inputs / "out.parquet").unlink()
    for name in ("out.rejected.parquet", "out.calibration.json", "out.calibration.png"):
        (inputs / name).write_text("mine")
        assert f"{name} exists already" in fails(main, command(trained, inputs))
        assert (inputs / name).read_text() == "mine"
        (inputs / name).unlink()
    (inputs / "new" / "manifest.jsonl").write_text("")
    assert "is empty" in fails(main, command(trained, inputs))


@pytest.mark.slow
def test_errors_of_the_work_leave_no_result(trained: Path, inputs: Path, fails: Callable[..., str]) -> None:
    assert "1 of 84 rows are bad, nothing was labelled" in fails(main, command(trained, inputs))
    assert "row 5" in (inputs / "out.bad.csv").read_text()
    said = fails(main, command(trained, inputs, "--skip-bad", "--max-wer", 0.0001))
    assert re.search(r"--max-wer 0.0001: no confidence reaches it; the surest \d+ of \d+ utterances of manifest", said)
    assert not (inputs / "out.parquet").exists()


@pytest.mark.slow
def test_a_killed_command_continues_and_gives_the_same(trained: Path, inputs: Path) -> None:
    """It is killed, its workers with it, once some shards of what is labelled are there."""
    files = ("out.parquet", "out.rejected.parquet", "out.calibration.json", "out.calibration.png")
    small = "import stt.curation.steps.label as step, sys; step.SHARD_SECONDS = 4.0"
    program = f"{small}\nif __name__ == '__main__':\n    from stt.cli.main import main\n    main(sys.argv[1:])"
    (inputs / "program.py").write_text(program)
    given = command(trained, inputs, "--max-wer", MAX_WER, "--skip-bad")
    arguments = [sys.executable, str(inputs / "program.py"), *given]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SOURCE_DATE_EPOCH": "1000000000"}
    subprocess.run(arguments, env=environment, check=True, capture_output=True)
    expected = {name: (inputs / name).read_bytes() for name in files}
    for name in files:
        (inputs / name).unlink()
    process = subprocess.Popen(arguments, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None and len(list(inputs.glob(".out.parquet.work-*/shards/0*.parquet"))) < 2:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (inputs / "out.parquet").exists()
    again = subprocess.run(arguments, env=environment, check=True, capture_output=True, text=True)
    assert re.search(r"\d+ of \d+ shards are there already", again.stderr)
    assert {name: (inputs / name).read_bytes() for name in files} == expected
    assert not list(inputs.glob(".out.parquet.work-*"))
