import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from stt.cli.main import OUTPUTS, app, main

READ = {  # parameters that name files or folders which a command reads
    *("audio", "audio_root", "calibrate", "check", "checkpoint", "ckpt", "config", "corrector", "decisions"),
    *("decoder", "domains", "exclude", "files", "hypotheses", "lm", "manifest", "manifests", "md5", "model", "noise"),
    *("rirs", "run", "runs", "source", "test", "text", "texts", "tokenizer", "train", "validate"),
}


def leaves(command: Any, context: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "list_commands"):
        yield path, command
        return
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        yield from leaves(inner, typer.Context(inner, parent=context), f"{path} {name}".strip())


def test_every_path_of_every_command_is_known_as_an_input_or_an_output() -> None:
    root = typer.main.get_command(app)
    for name, command in leaves(root, typer.Context(root)):
        for parameter in command.params:
            if "path" in str(parameter.bare_type()).lower() or parameter.name == "files":
                assert parameter.name in READ | OUTPUTS, (name, parameter.name)


@pytest.mark.parametrize("alias", ["same", "hard link", "symbolic link", "other path"])
def test_no_command_overwrites_its_input(
    alias: str, tones: Path, tmp_path: Path, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [json.loads(line) for line in tones.read_text().splitlines()]
    source = tmp_path / "m.jsonl"
    text = "".join(json.dumps({**line, "audio": str(tones.parent / line["audio"])}) + "\n" for line in lines)
    source.write_text(text)
    out = tmp_path / "other.jsonl"
    if alias == "same":
        out = source
    elif alias == "hard link":
        os.link(source, out)
    elif alias == "symbolic link":
        out.symlink_to(source)
    else:
        out = tmp_path / ".." / tmp_path.name / "m.jsonl"
    for command in (["tokenizer", "train", str(source), "--pieces", "8"], ["lm", "train", str(source)]):
        assert "is an input of this command" in fails(main, [*command, "--out", str(out)])
        assert source.read_text() == text


def test_a_recognizer_is_not_overwritten_by_its_corrector(
    trained: Path, tones: Path, fails: Callable[..., str]
) -> None:
    checkpoint = trained / "checkpoints" / "best.ckpt"
    content = checkpoint.read_bytes()
    options = ["--validate", str(tones), "--out", str(checkpoint), "--steps", "1"]
    assert "is an input" in fails(main, ["corrector", "train", str(checkpoint), str(tones), *options])
    assert checkpoint.read_bytes() == content


def test_an_output_that_cannot_be_written_is_one_sentence(
    tones: Path, tmp_path: Path, fails: Callable[..., str]
) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file" / "t.model", tmp_path / ("x" * 300 + ".model"), tmp_path):
        said = fails(main, ["tokenizer", "train", str(tones), "--pieces", "8", "--out", str(out)])
        assert said.count("error: ") == 1
