"""What users bring in a package of their own: no file of the project is changed for it."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from stt.cli.main import main as stt
from stt.cli.train import main
from stt.corpus.importers import importers
from stt.corpus.manifest import read_manifest
from stt.decoding.options import read_options
from stt.errors import InputError
from tests.conftest import RATE, spoken_in_tones

PACKAGE = '''
import json
from pathlib import Path

import numpy as np
import torch
from lightning import Callback
from torch import nn

import stt
from stt.audio.augmentation.device import Augmentation
from stt.audio.features import FrontEnd
from stt.corpus.row import Row
from stt.decoding.decoder import Decoder, Greedy
from stt.decoding.words import Word
from stt.decoding.options import CustomDecoder
from stt.models import Encoder
from stt.sampling import UniformSampler


@stt.register
class Energies(FrontEnd):
    """Levels of bands of a Fourier transform, without overlap."""

    def __init__(self, sample_rate: int = 8_000, n_mels: int = 16, size: int = 160) -> None:
        super().__init__()
        self.sample_rate, self.n_mels, self.size = sample_rate, n_mels, size

    def output_lengths(self, samples):
        return torch.div(samples, self.size, rounding_mode="floor").clamp(min=1)

    def forward(self, waveforms, lengths):
        pad = max(0, self.size - waveforms.shape[1])
        frames = nn.functional.pad(waveforms, (0, pad)).unfold(1, self.size, self.size)
        levels = torch.fft.rfft(frames).abs()[..., 1:].unflatten(-1, (self.n_mels, -1)).mean(-1)
        return torch.log(levels + 1e-3), self.output_lengths(lengths)


@stt.register
class Neighbours(Encoder):
    """Looks at the frames around each frame."""

    def __init__(self, n_mels: int = 16, d_model: int = 64) -> None:
        super().__init__()
        self.d_model = d_model
        self.around = nn.Conv1d(n_mels, d_model, 21, padding=10)
        self.layers = nn.Sequential(nn.GELU(), nn.Linear(d_model, d_model), nn.GELU())

    def output_lengths(self, frames):
        return frames

    def forward(self, x, lengths):
        return self.layers(self.around(x.transpose(1, 2)).transpose(1, 2)), lengths


class Softer(Augmentation):
    """Takes a tenth of the sound away."""

    def waveforms(self, waveforms, lengths, strengths):
        return 0.9 * waveforms if self.training else waveforms


class Asked(UniformSampler):
    """Remembers that it was asked."""

    def plan(self, *args, **kwargs):
        Path("asked").write_text("yes")
        return super().plan(*args, **kwargs)


class Shouting(Decoder):
    def __init__(self, tokenizer, mark):
        self.greedy, self.mark = Greedy(tokenizer), mark

    def words(self, log_probs, frame_seconds, start=0.0):
        found = self.greedy.words(log_probs, frame_seconds, start)
        return [Word(word.text + self.mark, word.start, word.end, word.confidence) for word in found]


class Shout(CustomDecoder):
    def __init__(self, mark: str = "!") -> None:
        self.mark = mark

    def build(self, tokenizer, normalizer):
        return Shouting(tokenizer, self.mark)


class Diary(Callback):
    def __init__(self, file: str) -> None:
        self.file = file

    def on_train_end(self, trainer, pl_module):
        Path(self.file).write_text(str(trainer.global_step))


def rows(source: Path, *, domain: str = "mine"):
    """Read names of files, which are their texts."""
    for number, line in enumerate(source.read_text().splitlines(), 1):
        yield Row(f"{source}:{number}", source.parent / line, Path(line).stem.replace("_", " "), domain)
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installed package of a user."""
    site = tmp_path / "site"
    (site / "my_speech-1.0.dist-info").mkdir(parents=True)
    (site / "my_speech.py").write_text(PACKAGE)
    (site / "my_speech-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: my-speech\nVersion: 1.0\n")
    (site / "my_speech-1.0.dist-info" / "entry_points.txt").write_text(
        "[stt.importers]\nnames = my_speech:rows\nbroken = my_speech:nothing\n"
    )
    monkeypatch.syspath_prepend(site)
    monkeypatch.chdir(tmp_path)
    return "my_speech"


def test_each_part_may_live_in_a_package_of_ones_own(
    package: str,
    tokenizer_file: Path,
    tones: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = tmp_path / "mine.yaml"
    parts = """
        import: my_speech
        trainer:
          max_steps: 120
          accelerator: cpu
          callbacks: [{class_path: my_speech.Diary, init_args: {file: diary}}]
        model:
          features: {class_path: my_speech.Energies, init_args: {sample_rate: 8000, n_mels: 16}}
          encoder: {class_path: my_speech.Neighbours, init_args: {d_model: 64}}
          augment: {class_path: my_speech.Softer}
          optimizer: {class_path: torch.optim.AdamW, init_args: {lr: 0.01}}
          lr_scheduler: {class_path: stt.training.schedule.WarmupCosine, init_args: {warmup_steps: 5}}
        data:
          sampler: {class_path: my_speech.Asked}
          batches_per_epoch: 120
          max_batch_seconds: 12
          num_workers: 0
        decoder:
          custom: {class_path: my_speech.Shout, init_args: {mark: "?"}}
          num_workers: 1
    """
    config.write_text(textwrap.dedent(parts))
    data = [f"--model.tokenizer={tokenizer_file}", f"--data.train={tones}", f"--data.validate={tones}"]
    main(["fit", f"--config={config}", *data, f"--data.test={tones}", f"--run={tmp_path / 'run'}"])
    assert (tmp_path / "diary").read_text() == "120"
    assert (tmp_path / "asked").exists()
    tested, shouted = (json.loads((tmp_path / "run" / f"test_metrics{n}.json").read_text()) for n in ("", "_lm"))
    assert tested["mean"]["cer"] < 0.8, "it learns"
    assert shouted["mean"]["cer"] > tested["mean"]["cer"], "every word has a mark that nobody said"

    best = str(tmp_path / "run" / "checkpoints" / "best.ckpt")
    (tmp_path / "decoder.yaml").write_text(yaml.safe_dump({"decoder": {"custom": "my_speech.Shout"}}))
    capsys.readouterr()
    with pytest.raises(SystemExit) as done:
        stt(["--import", package, "transcribe", best, str(tones.parent / "0.wav"), "--decoder", "decoder.yaml"])
    assert done.value.code == 0
    assert all(word.endswith("!") for word in capsys.readouterr().out.split())


def test_an_importer_is_loaded_from_an_entry_point_and_a_broken_one_is_named(
    package: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = importers()
    assert {"names", "table"} <= set(found)
    assert "broken" not in found
    assert "skipping the importer broken of my_speech:nothing" in caplog.text

    soundfile.write(tmp_path / "ab_cad.wav", spoken_in_tones("ab cad"), RATE)
    (tmp_path / "list.txt").write_text("ab_cad.wav\n")
    command = "from stt.cli.main import main; main()"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            command,
            "corpus",
            "import",
            "names",
            "list.txt",
            "--domain",
            "here",
            "--out",
            "a.parquet",
        ],
        env={"PYTHONPATH": f"{tmp_path / 'site'}:{Path(__file__).parents[1]}", "PATH": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    manifest = read_manifest(tmp_path / "a.parquet")
    assert (manifest.text(0), manifest.domains) == ("ab cad", ["here"])
    assert np.isclose(manifest.durations[0], 1.6, atol=0.01)


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ("my_speech.Nobody", "cannot be instantiated"),
        ({"class_path": "my_speech.Shout", "init_args": {"loud": 1}}, "cannot be instantiated"),
        ("my_speech.Diary", "cannot be instantiated"),
        ({"class_path": "my_speech.Softer"}, "is not a subclass"),
        ([1], "class_path and init_args are required"),
    ],
)
def test_a_decoder_that_cannot_be_made_gets_a_sentence(package: str, tmp_path: Path, own: object, said: str) -> None:
    (tmp_path / "decoder.yaml").write_text(yaml.safe_dump({"decoder": {"custom": own}}))
    with pytest.raises(InputError, match=said):
        read_options(tmp_path / "decoder.yaml")
