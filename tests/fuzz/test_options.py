"""Every option of every command, out of its range."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from stt.cli.main import app, main
from stt.decoding.train_lm import train_language_model
from stt.errors import InputError
from stt.text.normalize import get_normalizer
from stt.text.tokenizer import Tokenizer
from tests.cli.test_main import leaves
from tests.conftest import ROOT
from tests.curation.review.test_decide import EXPORTED
from tests.fuzz.harness import run

INTEGERS = ("-1", "0", str(-(2**63)), str(2**63), str(10**30))
NUMBERS = ("-1", "0", "nan", "inf", "-inf", "1e300", "-1e300")
ARGUMENTS = {  # of commands with a numeric option; {m}: manifest, {c}: checkpoint, {a}: audio, {t}: text, {o}: output
    "corpus demo": "--out {o}",
    "corpus synthesize": "{m} --language en --out {o}",
    "corpus feasibility": "{m}",
    "tokenizer train": "{m} --out {o} --pieces 9",
    "corrector train": "{c} {m} --validate {m} --out {o} --steps 1 --utterances 1",
    "lm train": "{m} --out {o} --order 2",
    "lm tune": "{c} {m} --lm {l} --out {o} --utterances 1 --beam-width 1",
    "bench train": "--config {missing}",
    "bench loading": "{m} --utterances 1 --strength 0 --sample-rate 8000",
    "bench infer": "{c} --audio {m} --seconds 1 --batch 1 --repeats 1 --minutes 0.01",
    "export": "{c} {o}",
    "serve": "{c} --port 0",
    "corpus align": "{a} {t} --ckpt {c} --out {o}.parquet",
    "corpus pack": "{m} --out {o} --workers 1",
    "corpus clean": "{m} --out {o}.parquet --workers 1",
    "corpus review": "{r} --out {o}",
    "report": "{run} --out {o}",
    "transcribe": "{c} {a}",
    "corpus label": "{m} --ckpt {c} --calibrate {m} --out {o}.parquet --workers 1",
    "corpus import fsdd": "{fsdd} --out {o} --strings 1",
    "corpus import table": "{m} --out {o}",
    "corpus import nemo": "{m} --out {o}",
    "corpus import kaldi": "{missing} --out {o}",
    "corpus import audio": "{folder} --out {o}",
    "corpus import folder": "{folder} --out {o}",
    "corpus import common_voice": "{missing} --out {o}",
    "corpus import golos": "{m} --out {o}",
    "corpus import huggingface": "{folder} --out {o}",
    "corpus import lhotse": "{m} --out {o}",
    "corpus import librispeech": "{folder} --out {o}",
    "corpus import open_stt": "{folder} --out {o}",
}
PROCESSES = {"lm train", "corpus clean", "corpus label", "corpus pack"}
SLOW = {  # what takes seconds, by command: reached only with options in their ranges
    "corpus demo": "stt.corpus.demo.make.make_demo",
    "corpus synthesize": "stt.corpus.synthesis.synthesize.synthesize",
    "report": "stt.reports.page.render_page",
    "bench train": "stt.cli.bench.measure_training",
    "lm tune": "stt.recognition.tuning.tune",
    "bench infer": "stt.inference.report.measure_inference",
    "export": "stt.inference.graph._trace",
    "corpus label": "stt.curation.steps.label.run_shards",
    "serve": "uvicorn.Server",
    "corpus pack": "stt.corpus.steps.pack.run_shards",
    "corpus clean": "stt.curation.steps.clean.run_shards",
}


def numeric_options() -> Iterator[tuple[str, str, str]]:
    """List command, option and value."""
    root = typer.main.get_command(app)
    for name, command in leaves(root, typer.Context(root)):
        for parameter in command.params:
            kind = str(parameter.bare_type())
            values = INTEGERS if "int" in kind else NUMBERS if "float" in kind else ()
            yield from ((name, parameter.opts[0], value) for value in values)


@pytest.fixture(scope="module")
def files(steered: Path, tones: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("files")
    train_language_model(["a bad cab", "a bed"], folder / "lm.binary", get_normalizer("plain-1"), order=2)
    shutil.copy(tones, folder / "m.jsonl")
    lines = (folder / "m.jsonl").read_text().splitlines()[:6]
    (folder / "m.jsonl").write_text("".join(line + "\n" for line in lines))
    for i in range(6):
        shutil.copy(tones.parent / f"{i}.wav", folder)
    for digit in range(10):
        recording = folder / "fsdd" / f"{digit}_anna_{digit + 8}.wav"
        recording.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tones.parent / "0.wav", recording)
    (folder / "folder" / "radio").mkdir(parents=True)
    shutil.copy(tones.parent / "0.wav", folder / "folder" / "radio")
    (folder / "folder" / "radio" / "0.txt").write_text("a bad cab")
    names = {one: folder / one for one in ("fsdd", "folder")}
    (folder / "text.txt").write_text("a bad cab\n")
    rejected = [{**json.loads(line), "id": f"u{i}", "rule": "cer", "figure": 0.5} for i, line in enumerate(lines)]
    (folder / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rejected))
    names |= {"m": folder / "m.jsonl", "a": folder / "0.wav", "l": folder / "lm.binary", "missing": folder / "missing"}
    names |= {"t": folder / "text.txt", "r": folder / "r.jsonl", "d": EXPORTED}
    return names | {"c": steered / "checkpoints" / "last.ckpt", "run": steered}


@pytest.mark.parametrize(("command", "option", "value"), numeric_options())
def test_an_option_out_of_range_is_one_sentence(
    command: str, option: str, value: str, files: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*_: object, **__: object) -> None:
        raise InputError("the options are in their ranges")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if command in SLOW:
        monkeypatch.setattr(SLOW[command], started)
    arguments = [part.format(**files, o=tmp_path / "out.binary") for part in ARGUMENTS[command].split()]
    if option in arguments:
        arguments[arguments.index(option) + 1] = value
    else:
        arguments += [option, value]
    run(main, [*command.split(), *arguments], tmp_path, starts_processes=command in PROCESSES)


INPUTS = {  # commands with further inputs, beside those of `ARGUMENTS`
    "corpus stats": "{m}",
    "corpus clean": "{m} --out {o}.parquet --workers 1 --test {m} --ckpt {c} --run {run}",
    "corpus export nemo": "{m} --out {o}",
    "corpus export kaldi": "{m} --out {o}",
    "corpus export lhotse": "{m} --out {o}",
    "corpus export huggingface": "{m} --out {o}",
    "corpus export label_studio": "{m} --out {o}",
    "corpus decide": "{r} --decisions {d} --out {o}.parquet",
    "score": "{m} {m}",
    "curriculum show": "{run} --label-errors {o}",
    "tokenizer letters": "{m} --out {o}",
    "transcribe": "{c} {a} --lm {l} --decoder {y} --corrector {c}",
}


def inputs() -> Iterator[tuple[str, list[str], int]]:
    """List command, arguments, and the place of each input in them."""
    for command, arguments in (ARGUMENTS | INPUTS).items():
        if command == "bench train":  # a process of its own reads its input
            continue
        parts = arguments.split()
        yield from ((command, parts, i) for i, part in enumerate(parts) if part.startswith("{") and "{o}" not in part)


@pytest.mark.parametrize("wrong", ["missing", "folder", "empty", "null byte", "too long"])
@pytest.mark.parametrize(("command", "parts", "place"), inputs())
def test_an_input_that_is_no_file_is_one_sentence(
    command: str, parts: list[str], place: int, wrong: str, files: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").touch()
    names = {"null byte": "a\0b", "too long": "x" * 300}
    arguments = [part.format(**files, y=tmp_path / "d.yaml", o=tmp_path / "out.binary") for part in parts]
    (tmp_path / "d.yaml").write_text("decoder: {}")
    arguments[place] = str(tmp_path / names.get(wrong, wrong))
    outcome = run(main, [*command.split(), *arguments], tmp_path, command in PROCESSES)
    assert outcome.code == 2


@pytest.mark.parametrize(
    "arguments",
    ["lm tune {c} {m} --lm {l} --out {o}.png", "curriculum show {run} --out {o}.docx"],
)
def test_an_output_whose_name_does_not_fit_is_refused(
    arguments: str, files: dict[str, Any], tmp_path: Path, fails: Callable[..., str]
) -> None:
    said = fails(main, [part.format(**files, o=tmp_path / "out") for part in arguments.split()])
    assert f"error: {tmp_path / 'out'}." in said


@pytest.mark.parametrize("name", ["tokenizer", "tokenizer.csv", "lm", "lm.txt"])
def test_an_output_is_read_back_whatever_its_name(name: str, files: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / name
    command, _, _ = name.partition(".")
    assert run(main, [command, "train", str(files["m"]), "--out", str(out)], tmp_path, command == "lm").code == 0
    if name.startswith("tokenizer"):
        assert Tokenizer.load(out).vocab_size > 2
    else:
        args = ["transcribe", str(files["c"]), str(files["a"]), "--lm", str(out)]
        assert run(main, args, tmp_path).code == 0


def test_file_names_need_not_be_utf_8(files: dict[str, Any], tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9"
    for source, suffix in ((files["a"], b".wav"), (files["c"], b".ckpt"), (files["m"], b".jsonl")):
        shutil.copy(os.fsencode(source), name + suffix)
    for line in (files["m"]).read_text().splitlines():
        shutil.copy(files["m"].parent / json.loads(line)["audio"], tmp_path)
    commands: list[list[bytes]] = [
        [b"transcribe", name + b".ckpt", name + b".wav", name + b"2.wav"],
        [b"transcribe", name + b".ckpt", name + b".wav", b"--format=json"],
        [b"corpus", b"stats", name + b".jsonl"],
        [b"corpus", b"stats", name],
        [b"tokenizer", b"train", name + b".jsonl", b"--out", name + b".model", b"--pieces", b"9"],
        [b"score", name + b".jsonl", name + b".jsonl", b"--out", name + b".json"],
        [b"corpus", b"import", b"table", name + b".jsonl", b"--out", name + b".parquet"],
        [b"corpus", b"stats", name + b".parquet"],
        [b"corpus", b"import", b"folder", name, b"--out", name + b".parquet"],
        [b"corpus", b"import", b"folder", name, b"--out", name + b".parquet", b"--skip-bad"],
        [b"lm", b"train", name + b".jsonl", b"--out", name + b".binary"],
        [b"report", name, b"--out", name],
    ]
    shutil.copytree(os.fsencode(files["folder"]), name)
    shutil.copy(os.fsencode(files["a"]), name + b"/radio/caf\xe9.wav")
    (tmp_path / os.fsdecode(name) / "radio" / os.fsdecode(b"caf\xe9.txt")).write_text("a bad cab")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "0", "LC_ALL": "C.UTF-8"}
    codes = []
    for command in commands:
        arguments = [os.fsencode(sys.executable), b"-m", b"stt", *command]
        done = subprocess.run(arguments, env=environment, cwd=tmp_path, capture_output=True, check=False)
        assert b"Traceback" not in done.stderr, (command, done.stderr.decode(errors="replace"))
        codes.append(done.returncode)
    assert codes == [2, 0, 0, 2, 0, 0, 0, 0, 2, 2, 0, 2]
