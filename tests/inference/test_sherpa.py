from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sherpa_onnx

import stt
from stt.audio.features import LogMel
from stt.cli.main import main
from stt.corpus.manifest import read_manifest
from stt.inference.export import export
from stt.metrics.error_rate import corpus_cer
from stt.models import ConvTransformer
from stt.recognition.recognizer import Recognizer
from stt.runs.folder import RunFolder
from stt.text.normalize import get_normalizer
from stt.text.tokenizer import Tokenizer
from tests.conftest import RATE, ROOT


def sherpa(folder: Path, mels: int) -> Any:
    return sherpa_onnx.OfflineRecognizer.from_nemo_ctc(
        str(folder / "model.onnx"), str(folder / "tokens.txt"), sample_rate=RATE, feature_dim=mels, num_threads=1
    )


def text_of(recognizer: Any, waveform: np.ndarray) -> str:
    stream = recognizer.create_stream()
    stream.accept_waveform(RATE, waveform)
    recognizer.decode_stream(stream)
    return str(stream.result.text).strip()


def test_sherpa_onnx_writes_what_the_checkpoint_writes(trained: Path, tones: Path, tmp_path: Path) -> None:
    export(RunFolder(trained).best, tmp_path / "out", "sherpa-onnx", check=tones)
    checkpoint, other = stt.load(RunFolder(trained).best), sherpa(tmp_path / "out", 32)
    manifest = read_manifest(tones)
    pairs = []
    for row in range(len(manifest)):
        waveform = manifest.waveform(row, RATE)
        pairs.append((checkpoint.transcribe(waveform, RATE).text, text_of(other, waveform)))
    assert corpus_cer(pairs) <= 0.003


@pytest.mark.slow
def test_real_digits_lose_at_most_a_third_of_a_point(real_speech: Path, tmp_path: Path) -> None:
    """Trains until digits are recognized, which takes some minutes."""
    from stt.cli.train import main as train

    for split, count in (("train", 200), ("test", 40)):
        arguments = ["--out", str(tmp_path / f"{split}.parquet"), "--split", split, "--strings", str(count)]
        with pytest.raises(SystemExit):
            main(["corpus", "import", "fsdd", str(real_speech / "fsdd" / "recordings"), *arguments])
    tokenizer = tmp_path / "t.model"
    with pytest.raises(SystemExit):
        main(["tokenizer", "train", str(tmp_path / "train.parquet"), "--out", str(tokenizer), "--pieces", "48"])
    run = RunFolder(tmp_path / "run")
    data = [f"--data.train={tmp_path}/train.parquet", f"--data.validate={tmp_path}/test.parquet", "--data.test=null"]
    configs = [f"--config={ROOT}/configs/model/tiny.yaml", f"--config={ROOT}/configs/data/fsdd.yaml"]
    length = ["--trainer.max_steps=400", "--data.num_workers=0"]
    train(["fit", *configs, f"--run={run.path}", *data, f"--model.tokenizer={tokenizer}", *length])
    export(run.best, tmp_path / "out", "sherpa-onnx", check=tmp_path / "test.parquet")
    checkpoint, other = stt.load(run.best), sherpa(tmp_path / "out", 64)
    manifest = read_manifest(tmp_path / "test.parquet")
    triples = []
    for row in range(len(manifest)):
        waveform = manifest.waveform(row, RATE)
        triples.append((manifest.text(row), checkpoint.transcribe(waveform, RATE).text, text_of(other, waveform)))
    before, after = (
        corpus_cer([(one, two) for one, two, _ in triples]),
        corpus_cer([(one, two) for one, _, two in triples]),
    )
    assert before < 0.2
    assert after - before <= 0.003


def test_another_front_end_is_refused(tokenizer_file: Path, tmp_path: Path, fails: Any) -> None:
    encoder = ConvTransformer(32, (8, 8, 8), (1, 1, 1), (3, 3, 3), 8, 1, 2)
    parts = LogMel(RATE, 32, window_seconds=0.02), encoder, Tokenizer.load(tokenizer_file), get_normalizer("plain-1")
    Recognizer(*parts).save(tmp_path / "model.ckpt")
    said = fails(main, ["export", str(tmp_path / "model.ckpt"), str(tmp_path / "out"), "--format", "sherpa-onnx"])
    assert "sherpa-onnx computes its features by itself" in said
    assert not (tmp_path / "out").exists()
