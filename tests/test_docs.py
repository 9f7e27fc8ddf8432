"""The site is built as `make docs` builds it, its examples are run, and it names only what exists."""

import doctest
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import soundfile
import torch

import stt
from stt.audio.features import LogMel
from stt.cli.main import main as commands
from stt.cli.train import main as train
from stt.corpus.importers import importers
from stt.corpus.ingest import ingest
from stt.corpus.manifest import read_manifest
from stt.models import ConvTransformer
from stt.models.ctc import ctc_losses
from stt.recognition.recognizer import Recognizer
from stt.text.normalize import get_normalizer
from stt.text.tokenizer import train_character_tokenizer
from tests.conftest import RATE, ROOT, spoken_in_tones

DOCS = ROOT / "docs"
PUBLIC = [name for name in stt.__all__ if name != "__version__"]
FOLDERS = ("benchmarks/", "configs/", "docs/", "notebooks/", "stt/", "tests/")
TEXT = "a bad cab"


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the examples name: a recognizer that has learned one recording by heart."""
    folder = tmp_path_factory.mktemp("example")
    waveform = spoken_in_tones(TEXT)
    soundfile.write(folder / "speech.wav", waveform, RATE)
    (folder / "corpus.csv").write_text(
        f"audio,text,duration,domain\nspeech.wav,{TEXT},{len(waveform) / RATE},narration\n"
    )
    torch.manual_seed(0)
    tokenizer = train_character_tokenizer([TEXT])
    (folder / "letters.model").write_bytes(tokenizer.model)
    encoder = ConvTransformer(32, (32, 32, 64), (1, 1, 1), (5, 5, 5), 64, 1, 2, dropout=0.0)
    recognizer = Recognizer(LogMel(RATE, 32), encoder, tokenizer, get_normalizer("plain-1"))
    recognizer.train_domains = ["narration"]
    samples = torch.from_numpy(soundfile.read(folder / "speech.wav", dtype="float32")[0]).unsqueeze(0)
    tokens = torch.tensor([tokenizer.encode(TEXT)])
    optimizer = torch.optim.AdamW(recognizer.parameters(), lr=3e-3)
    for _ in range(80):
        log_probs, frames = recognizer(samples, torch.tensor([samples.shape[1]]))
        lengths = torch.tensor([tokens.shape[1]])
        loss = ctc_losses(log_probs, frames, tokens, lengths, tokenizer.blank_id).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    recognizer.save(folder / "model.ckpt")
    return folder


class Checker(doctest.OutputChecker):
    """Lets an example print what its text does not show, such as the progress of a training."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return not want or super().check_output(want, got, optionflags)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_has_examples_that_run(name: str, example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(example)
    runner = doctest.DocTestRunner(Checker(), optionflags=doctest.ELLIPSIS)
    examples = [test for test in doctest.DocTestFinder().find(getattr(stt, name), name, globs={}) if test.examples]
    assert examples, f"stt.{name} has no example"
    said: list[str] = []
    for test in examples:
        test.globs.update(__name__="example")
        runner.run(test, out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)


def build(source: Path, out: Path) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("sphinx", reason="Sphinx is not installed: pip install '.[docs]'")
    command = re.search(r"sphinx-build (.*) docs ", (ROOT / "Makefile").read_text())
    assert command, "the Makefile builds the site"
    return subprocess.run(
        [sys.executable, "-m", "sphinx", *command[1].split(), str(source), str(out)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    done = build(DOCS, tmp_path)
    assert done.returncode == 0, done.stderr
    reference = (tmp_path / "api.html").read_text()
    assert all(f'id="stt.{name}"' in reference for name in PUBLIC)
    commands = (tmp_path / "command_line.html").read_text()
    assert "--data.num_workers" in commands  # which the page itself does not name
    assert "stt corpus import kaldi" in commands


def test_broken_links_and_missing_docstrings_fail(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("conf.py", "command_line.py"):
        shutil.copy(DOCS / name, source)
    (source / "undocumented.py").write_text(
        'def function(): ...\n\nclass Class:\n    """A class."""\n    def method(self): ...\n'
    )
    (source / "other.md").write_text("# Another page\n")
    (source / "index.md").write_text(
        "# Page\n\n[1](nowhere.md) [2](#no-such-heading) [3](other.md#nor-this-one)\n\n```{toctree}\nother\n```\n\n"
        "```{eval-rst}\n.. autofunction:: undocumented.function\n.. autoclass:: undocumented.Class\n```\n"
    )
    done = build(source, tmp_path / "site")
    assert done.returncode != 0
    for broken in ("nowhere.md", "no-such-heading", "nor-this-one"):
        assert broken in done.stderr
    for name in ("function", "Class.method"):
        assert f"undocumented.{name} has no docstring" in done.stderr


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.stem)
def test_a_page_names_only_what_exists(page: Path) -> None:
    for quoted in re.findall(r"`([^`\n]+)`", page.read_text()):
        for word in quoted.split():
            if word.startswith(FOLDERS) and not re.search(r"[*<{…]|NAME", word):
                assert (ROOT / word.rstrip(".,:;)")).exists(), f"{page.name}: {word}"


def test_the_age_of_every_result_is_told() -> None:
    told = set(re.findall(r"\(results/([\w.]+json)\)", (DOCS / "measurements.md").read_text()))
    assert told == {path.name for path in (DOCS / "results").glob("*.json")}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package that a page writes out, installed."""
    for name, text in re.findall(r"```\w+\n# (\S+)\n(.*?)```", (DOCS / "make_it_yours.md").read_text(), re.DOTALL):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]
    points = [f"[{group}]" for group in project["entry-points"]]
    points += [f"{name} = {place}" for group in project["entry-points"].values() for name, place in group.items()]
    info = tmp_path / "my_asr-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    (info / "entry_points.txt").write_text("\n".join(points))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_package_of_make_it_yours_imports_a_corpus_trains_and_transcribes(
    package: Path, tones: Path, tokenizer_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = read_manifest(tones)
    lines = [f"{given.audio(row)}\t{given.text(row)}" for row in range(20)]
    (package / "recordings.txt").write_text("\n".join([*lines, "no tab"]))

    found = importers()["lines"](package / "recordings.txt", domain="studio")
    report = ingest(found, package / "mine.parquet", get_normalizer("plain-1"), True)
    assert (report.kept, report.bad_count) == (20, 1)

    data = [f"--data.{split}=mine.parquet" for split in ("train", "validate")]
    steps = [
        "--trainer.max_steps=2",
        "--data.batches_per_epoch=2",
        "--data.num_workers=0",
        "--data.max_batch_seconds=12",
    ]
    model = [f"--model.tokenizer={tokenizer_file}", "--trainer.logger=false", "--trainer.accelerator=cpu"]
    train(["fit", "--config=configs/mine.yaml", *data, *model, *steps, "--run=run"])
    checkpoint = "run/checkpoints/last.ckpt"
    recognizer = stt.load(checkpoint)
    assert type(recognizer.encoder).__name__ == "Residual"
    with pytest.raises(SystemExit) as done:
        commands(["--import", "my_asr", "transcribe", checkpoint, str(given.audio(0))])
    assert done.value.code == 0

    frames, lengths = torch.randn(2, 60, 64), torch.tensor([60, 37])
    with torch.inference_mode():
        together, output_lengths = recognizer.encoder(frames, lengths)
        alone, _ = recognizer.encoder(frames[1:, :37], lengths[1:])
    assert output_lengths.tolist() == recognizer.encoder.output_lengths(lengths).tolist()
    assert torch.allclose(together[1, : output_lengths[1]], alone[0], atol=1e-5)
