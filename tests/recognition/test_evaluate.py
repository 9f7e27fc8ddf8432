import json
from pathlib import Path

import jiwer
import numpy as np
import pytest

import stt
from stt.cli.train import main
from stt.decoding.decoder import Decoder
from stt.decoding.words import Word
from stt.errors import InputError
from stt.recognition.evaluate import compute_outputs
from stt.recognition.recognizer import Recognizer
from tests.conftest import write_corpus


@pytest.fixture(scope="module")
def recognizer(trained: Path) -> Recognizer:
    return stt.load(trained / "checkpoints" / "best.ckpt")


class ConstantDecoder(Decoder):
    """Returns the same word for every utterance."""

    def words(self, log_probs: np.ndarray, frame_seconds: float, start: float = 0.0) -> list[Word]:
        return [Word("ab", start, start + len(log_probs) * frame_seconds, 0.25)]


def test_results_are_in_manifest_order_and_unreadable_utterances_are_skipped(
    recognizer: Recognizer, tmp_path: Path
) -> None:
    manifest = write_corpus(tmp_path, 12, seed=7)
    (tmp_path / "4.wav").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"1 of 6 .* of the domain high .*, and max_skipped_share .* row 5: .*4.wav"):
        stt.evaluate(recognizer, manifest)
    result = stt.evaluate(recognizer, manifest, max_skipped_share=0.2)
    assert [one.row for one in result.recognized] == [row for row in range(1, 13) if row != 5]
    assert [item.name for item in result.skipped] == ["4.wav"]
    assert {domain: (rate.utterances, rate.skipped) for domain, rate in result.rates.items()} == {
        "high": (5, 1),
        "low": (6, 0),
    }
    for one in result.recognized:
        assert one.hypothesis == recognizer.transcribe(one.audio).text, "the same alone as in a batch"
        assert 0 < one.confidence <= 1


def test_a_custom_decoder_is_used(recognizer: Recognizer, tmp_path: Path) -> None:
    result = stt.evaluate(recognizer, write_corpus(tmp_path, 8, seed=8), ConstantDecoder())
    assert {(one.hypothesis, one.confidence) for one in result.recognized} == {("ab", 0.25)}
    for domain, rate in result.rates.items():
        references = [one.reference for one in result.recognized if one.domain == domain]
        assert rate.cer == pytest.approx(jiwer.cer(references, ["ab"] * len(references)))
    assert result.wer == pytest.approx(np.mean([rate.wer for rate in result.rates.values()]))


def test_augmented_outputs_are_reproducible_with_the_same_seed(recognizer: Recognizer, tmp_path: Path) -> None:
    from stt.corpus.manifest import read_manifest

    manifest = read_manifest(write_corpus(tmp_path, 4, seed=9))

    def outputs(**options: float) -> list[np.ndarray]:
        return [output.log_probs for output in compute_outputs(recognizer, manifest, **options)]  # type: ignore[arg-type, union-attr]

    plain, one, same, other = outputs(), *(outputs(strength=0.9, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, plain, strict=True))


def test_a_decoder_configuration_gives_the_same_texts_in_test_predict_and_transcribe(
    trained: Path, tones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from stt.cli.main import main as commands

    # A high word reward makes beam search differ from greedy decoding.
    config, best = tmp_path / "decoder.yaml", trained / "checkpoints" / "best.ckpt"
    config.write_text("decoder: {beam: {beta: 12.0, hot_words: [a], hot_weight: 20.0}}")
    small = write_corpus(tmp_path / "c", 4, seed=7)
    data = [f"--ckpt_path={best}", f"--config={config}", "--decoder.num_workers=1", f"--run={tmp_path / 'run'}"]
    main(["test", *data, f"--data.test={small}"])
    main(["predict", *data, f"--data.predict={small}"])
    lines = [json.loads(line) for line in (tmp_path / "run" / "predictions.jsonl").read_text().splitlines()]
    assert any(line["text"] != line["greedy"] for line in lines)
    capsys.readouterr()
    with pytest.raises(SystemExit):
        commands(
            ["transcribe", str(best), *(str(small.parent / f"{i}.wav") for i in range(4)), "--decoder", str(config)]
        )
    assert [line.split("\t")[1] for line in capsys.readouterr().out.splitlines()] == [line["text"] for line in lines]
    with pytest.raises(SystemExit):
        commands(["score", str(small), str(tmp_path / "run" / "predictions.jsonl"), "--out", str(tmp_path / "s.json")])
    tested, scored = (
        json.loads(p.read_text()) for p in (tmp_path / "run" / "test_metrics_lm.json", tmp_path / "s.json")
    )
    assert scored["mean"] == pytest.approx(tested["mean"])
