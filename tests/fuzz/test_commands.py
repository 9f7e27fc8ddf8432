"""Every command, on any bytes in every file that it reads; `test_importers` has those of the importers."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stt.cli.main import main
from stt.cli.train import main as train
from stt.corpus.manifest import read_manifests
from stt.correction.corrector import Corrector
from stt.decoding.train_lm import train_language_model
from stt.errors import InputError, exit_with
from stt.recognition.recognizer import Recognizer
from stt.reports.curriculum import plot, write_label_errors
from stt.reports.page import load_run_summary
from stt.reports.run import Run, find_run
from stt.text.normalize import get_normalizer
from stt.text.tokenizer import Tokenizer
from tests.conftest import MICRO
from tests.fuzz.harness import EXAMPLES, fuzzed, mutated, run

rarely = settings(fuzzed, max_examples=max(1, EXAMPLES // 10))  # for commands that take seconds
ENDINGS = ("jsonl", "json", "csv", "tsv", "parquet")


@pytest.fixture(scope="module")
def valid(
    trained: Path, steered: Path, tones: Path, tokenizer_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with a valid file of every kind; nothing in it is changed."""
    folder = tmp_path_factory.mktemp("valid")
    rows = [json.loads(line) for line in tones.read_text().splitlines()[:8]]
    rows = [{"id": str(i), **row, "audio": str(tones.parent / row["audio"])} for i, row in enumerate(rows)]
    table = pa.Table.from_pylist(rows)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    for name in ("m.jsonl", "m.json"):
        (folder / name).write_text(lines)
    for name, delimiter in {"m.csv": ",", "m.tsv": "\t"}.items():
        pyarrow.csv.write_csv(table, folder / name, pyarrow.csv.WriteOptions(delimiter=delimiter, quoting_style="none"))
    pyarrow.parquet.write_table(table, folder / "m.parquet")
    (folder / "m.txt").write_text("".join(f"{i} {row['text']}\n" for i, row in enumerate(rows)))
    (folder / "texts.txt").write_text("".join(f"{row['text']}\n" for row in rows))
    shutil.copy(tones.parent / "0.wav", folder / "a.wav")
    shutil.copy(trained / "checkpoints" / "best.ckpt", folder / "model.ckpt")
    shutil.copy(tokenizer_file, folder / "tokenizer.model")
    recognizer = Recognizer.load(folder / "model.ckpt")
    Corrector(recognizer.tokenizer.to_string(), recognizer.normalizer.name, d_model=16).save(folder / "corrector.ckpt")
    train_language_model([row["text"] for row in rows], folder / "lm.binary", get_normalizer("plain-1"), order=2)
    beam = {"lm": str(folder / "lm.binary"), "alpha": 0.5, "beta": 1.0, "beam_width": 4}
    (folder / "decoder.yaml").write_text(yaml.safe_dump({"decoder": {"beam": beam}}))
    shutil.copy(MICRO, folder / "config.yaml")
    shutil.copytree(steered, folder / "run", ignore=shutil.ignore_patterns("wandb"))  # hundreds of files
    (folder / "run" / "config.yaml").chmod(0o644)
    return folder


def place(valid: Path, name: str, tmp_path: Path, data: st.DataObject) -> Path:
    """Write a mutation of a valid file to the folder of the test."""
    path = tmp_path / Path(name).name
    path.write_bytes(data.draw(mutated((valid / name).read_bytes())))
    return path


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("command", ["stats", "feasibility", "tokenizer", "lm"])
@fuzzed
@given(data=st.data())
def test_a_manifest(command: str, ending: str, valid: Path, tmp_path: Path, data: st.DataObject) -> None:
    path = str(place(valid, f"m.{ending}", tmp_path, data))
    args = {
        "stats": ["corpus", "stats", path],
        "feasibility": ["corpus", "feasibility", path, "--pieces", "9", "--stride", "4"],
        "tokenizer": ["tokenizer", "train", path, "--pieces", "9", "--out", str(tmp_path / "t.model")],
        "lm": ["lm", "train", path, "--order", "2", "--memory", "50M", "--out", str(tmp_path / "lm.binary")],
    }
    run(main, args[command], tmp_path, starts_processes=command == "lm")


@pytest.mark.parametrize("name", ["m.jsonl", "m.csv", "m.tsv", "m.parquet", "m.txt"])
@pytest.mark.parametrize("side", ["references", "hypotheses"])
@fuzzed
@given(data=st.data())
def test_score(side: str, name: str, valid: Path, tmp_path: Path, data: st.DataObject) -> None:
    path, other = str(place(valid, name, tmp_path, data)), str(valid / "m.jsonl")
    pair = [path, other] if side == "references" else [other, path]
    run(main, ["score", *pair, "--out", str(tmp_path / "scores.json")], tmp_path)


@pytest.mark.parametrize(
    "name", ["a.wav", "model.ckpt", "decoder.yaml", "lm.binary", "lm.binary.json", "corrector.ckpt"]
)
@fuzzed
@given(data=st.data())
def test_transcribe(name: str, valid: Path, tmp_path: Path, data: st.DataObject) -> None:
    given_files = {one: valid / one for one in ("a.wav", "model.ckpt", "decoder.yaml", "lm.binary", "corrector.ckpt")}
    if name.startswith("lm."):
        for one in ("lm.binary", "lm.binary.json"):
            shutil.copy(valid / one, tmp_path / one)
        given_files["lm.binary"] = tmp_path / "lm.binary"
    given_files[name] = place(valid, name, tmp_path, data)
    args = ["transcribe", str(given_files["model.ckpt"]), str(given_files["a.wav"]), "--format=json"]
    if name in ("decoder.yaml", "corrector.ckpt"):
        args += [f"--{name.partition('.')[0]}", str(given_files[name])]
    if name.startswith("lm."):
        args += ["--lm", str(given_files["lm.binary"])]
    outcome = run(main, args, tmp_path)
    if outcome.code == 0:
        assert "text" in json.loads(outcome.out), outcome.out


RUN_FILES = {
    "report": ["logs/version_0/metrics.csv", "config.yaml", "recognized/test.jsonl", "test_metrics.json"],
    "curriculum": ["logs/version_0/metrics.csv", "config.yaml", "checkpoints/last.ckpt"],
}
FILES_OF_COMMANDS = [(command, name) for command in RUN_FILES for name in RUN_FILES[command]]


def run_folder(valid: Path, name: str, tmp_path: Path, data: st.DataObject) -> Path:
    """Write a run folder with a mutation of one of its files."""
    folder = tmp_path / "run"
    if not folder.exists():  # by an example before
        shutil.copytree(valid / "run", folder, copy_function=os.symlink)
    content = data.draw(mutated((valid / "run" / name).read_bytes()))
    (folder / name).unlink(missing_ok=True)
    (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize(("command", "name"), FILES_OF_COMMANDS)
@rarely
@given(data=st.data())
def test_a_run_folder(command: str, name: str, valid: Path, tmp_path: Path, data: st.DataObject) -> None:
    folder = str(run_folder(valid, name, tmp_path, data))
    args = {
        "report": ["report", folder, "--worst", "1", "--out", str(tmp_path / "r.html")],
        "curriculum": ["curriculum", "show", folder, "--label-errors", str(tmp_path / "l.csv")],
    }
    run(main, args[command], tmp_path)


@pytest.mark.parametrize(("command", "name"), FILES_OF_COMMANDS)
@fuzzed
@given(data=st.data())
def test_a_run_folder_without_drawing_it(
    command: str, name: str, valid: Path, tmp_path: Path, data: st.DataObject
) -> None:
    def report(source: Run) -> None:
        load_run_summary(source, "run")

    def curriculum(source: Run) -> None:
        plt.close(plot(source))
        write_label_errors(source, read_manifests(source.train_manifests()), tmp_path / "l.csv")

    read = {"report": report, "curriculum": curriculum}[command]
    folder = run_folder(valid, name, tmp_path, data)
    run(as_command(lambda: read(find_run(folder))), [], tmp_path)


def as_command(function: Callable[[], object]) -> Callable[[list[str]], None]:
    """Let an input error end the process, as commands do."""

    def command(args: list[str]) -> None:
        try:
            function()
        except InputError as error:
            exit_with(error)

    return command


@fuzzed
@given(data=st.data())
def test_the_log_behind_a_dashboard(valid: Path, tmp_path: Path, data: st.DataObject) -> None:
    folder = str(run_folder(valid, "logs/version_0/metrics.csv", tmp_path, data))
    run(main, ["dashboard", "push", "project", "--run", folder, "--dry-run", str(tmp_path / "d.json")], tmp_path)


@pytest.mark.parametrize("name", ["config.yaml", "tokenizer.model", "m.jsonl", "m.parquet", "model.ckpt"])
@rarely
@given(data=st.data())
def test_fit(name: str, valid: Path, tmp_path: Path, data: st.DataObject) -> None:
    shutil.rmtree(tmp_path / "run", ignore_errors=True)
    files = {one: valid / one for one in ("config.yaml", "tokenizer.model", "m.jsonl")}
    path = place(valid, name, tmp_path, data)
    files["m.jsonl" if name.startswith("m.") else name] = path
    args = ["fit", f"--config={files['config.yaml']}", f"--model.tokenizer={files['tokenizer.model']}"]
    args += [f"--data.{split}={files['m.jsonl']}" for split in ("train", "validate")]
    args += [f"--model.init_from={path}"] if name == "model.ckpt" else []
    args += ["--trainer.max_steps=1", "--trainer.limit_val_batches=1", "--trainer.logger=false"]
    run(train, [*args, "--data.batches_per_epoch=1", "--data.num_workers=0", f"--run={tmp_path / 'run'}"], tmp_path)


@fuzzed
@given(data=st.data())
def test_a_training_configuration(valid: Path, tmp_path: Path, data: st.DataObject) -> None:
    run(train, ["fit", f"--config={place(valid, 'config.yaml', tmp_path, data)}", "--print_config"], tmp_path)


@fuzzed
@given(data=st.data())
def test_a_tokenizer(valid: Path, tmp_path: Path, data: st.DataObject) -> None:
    path = place(valid, "tokenizer.model", tmp_path, data)
    run(as_command(lambda: Tokenizer.load(path).encode("abc")), [], tmp_path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "cp1251"])
@pytest.mark.parametrize("command", ["lm", "score", "corrector"])
def test_a_text_in_another_encoding_is_refused(command: str, encoding: str, valid: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "texts.txt", str(tmp_path / "out")
    path.write_bytes("мама мыла раму\nпапа мыл окно\n".encode(encoding))
    check_refused(command, path, valid, out, tmp_path)


@pytest.mark.parametrize("command", ["lm", "score", "corrector"])
def test_audio_given_as_text_is_refused(command: str, valid: Path, tmp_path: Path) -> None:
    check_refused(command, valid / "a.wav", valid, str(tmp_path / "out"), tmp_path)


def check_refused(command: str, path: Path, valid: Path, out: str, tmp_path: Path) -> None:
    manifest = str(valid / "m.jsonl")
    args = {
        "lm": ["lm", "train", str(path), "--out", out],
        "score": ["score", manifest, str(path)],
        "corrector": ["corrector", "train", str(valid / "model.ckpt"), manifest, "--validate", manifest, "--out", out],
    }
    args["corrector"] += ["--texts", str(path)]
    outcome = run(main, args[command], tmp_path)
    assert outcome.code == 2
    assert str(path) in outcome.err
