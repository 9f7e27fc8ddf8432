"""Results over other data than the manifest says are counted and named; too many such utterances end the command."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stt.cli.train import main
from stt.reports.run import Run
from tests.conftest import RATE, write_corpus
from tests.processes import finished, started

Fails = Callable[..., str]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A manifest of 20 utterances in each of the domains high (even files) and low."""
    return write_corpus(tmp_path / "corpus", 40, seed=5)


def change(corpus: Path) -> list[str]:
    """Change three utterances of the domain high after their import; return their names."""
    silent, doubled, gone = (corpus.parent / f"{i}.wav" for i in (2, 10, 18))
    waveform, _ = soundfile.read(silent)
    soundfile.write(silent, np.zeros_like(waveform), RATE)
    waveform, _ = soundfile.read(doubled)
    soundfile.write(doubled, np.tile(waveform, 2), RATE)
    gone.unlink()
    return [path.name for path in (silent, doubled, gone)]


def lose_domain(corpus: Path) -> None:
    for i in range(0, 40, 2):
        (corpus.parent / f"{i}.wav").unlink()


def of_checkpoint(trained: Path, run: Path, *options: str) -> list[str]:
    return [f"--ckpt_path={trained / 'checkpoints' / 'best.ckpt'}", f"--run={run}", "--data.num_workers=0", *options]


def test_a_test_counts_changed_audio_by_domain_up_to_the_limit(
    trained: Path, corpus: Path, tmp_path: Path, fails: Fails, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = change(corpus)
    args = ["test", *of_checkpoint(trained, tmp_path / "run", f"--data.test={corpus}")]
    said = fails(main, args)
    assert (
        "3 of 20 utterances (15.0 %) of the domain high were skipped, and --data.max_skipped_share allows 5 %" in said
    )
    assert f"silence, {corpus}: row 3: {corpus.parent / '2.wav'}" in said
    assert not (tmp_path / "run" / "test_metrics.json").exists()
    main([*args, "--data.max_skipped_share=0.2"])
    assert "3 utterances were skipped" in capsys.readouterr().out
    results = json.loads((tmp_path / "run" / "test_metrics.json").read_text())
    sizes = {name: (rate["utterances"], rate["skipped"]) for name, rate in results["domains"].items()}
    assert sizes == {"high": (17, 3), "low": (20, 0)}
    assert [(one["name"], one["domain"], one["kind"]) for one in results["skipped"]] == [
        (name, "high", kind)
        for name, kind in zip(changed, ("silence", "wrong duration", "unreadable audio"), strict=True)
    ]


def test_predictions_are_written_before_too_many_errors_end_the_command(
    trained: Path, corpus: Path, tmp_path: Path, fails: Fails, capsys: pytest.CaptureFixture[str]
) -> None:
    change(corpus)
    said = fails(main, ["predict", *of_checkpoint(trained, tmp_path / "run", f"--data.predict={corpus}")])
    assert "3 of 20 utterances" in said
    lines = [json.loads(line) for line in (tmp_path / "run" / "predictions.jsonl").read_text().splitlines()]
    assert len(lines) == 40
    assert [line["row"] for line in lines if "error" in line] == [3, 11, 19]


@pytest.mark.parametrize("command", ["test", "validate"])
def test_a_domain_without_audio_is_refused_whatever_the_limit(
    command: str, trained: Path, corpus: Path, tmp_path: Path, fails: Fails
) -> None:
    lose_domain(corpus)
    options = [f"--data.{command}={corpus}", "--data.max_skipped_share=1"]
    said = fails(main, [command, *of_checkpoint(trained, tmp_path / "run", *options)])
    assert "20 of 20 utterances (100.0 %) of the domain high were skipped, so none is left" in said


def test_a_validation_over_fewer_domains_chooses_no_checkpoint(
    fit_args: list[str], corpus: Path, tmp_path: Path, fails: Fails
) -> None:
    lose_domain(corpus)
    assert "domain high were skipped" in fails(main, [*fit_args, f"--data.validate={corpus}"])
    assert not (tmp_path / "run" / "checkpoints" / "best.ckpt").exists()


def test_training_ends_when_most_of_a_domain_is_gone(fit_args: list[str], corpus: Path, fails: Fails) -> None:
    lose_domain(corpus)
    said = fails(main, [*fit_args, f"--data.train={corpus}", "--data.batches_per_epoch=6"])
    assert "(100.0 %) of the domain high were skipped" in said


@pytest.mark.parametrize("limit", ["--trainer.fast_dev_run=true", "--trainer.limit_val_batches=1"])
def test_evaluations_of_a_few_batches_go_on(limit: str, fit_args: list[str], corpus: Path) -> None:
    (corpus.parent / "39.wav").unlink()
    main([*fit_args, limit, f"--data.train={corpus}", f"--data.validate={corpus}"])


@pytest.mark.slow
def test_a_rank_without_batches_takes_part_in_validation_and_test(fit_args: list[str], tmp_path: Path) -> None:
    small = write_corpus(tmp_path / "small", 6, seed=6)  # one batch for two ranks
    (small.parent / "1.wav").unlink()
    data = [f"--data.validate={small}", f"--data.test={small}", "--data.max_skipped_share=0.5"]
    finished(started([*fit_args, *data, "--trainer.devices=2", "--trainer.strategy=ddp"]))
    results = json.loads((tmp_path / "run" / "test_metrics.json").read_text())
    assert {name: (one["utterances"], one["skipped"]) for name, one in results["domains"].items()} == {
        "high": (3, 0),
        "low": (2, 1),
    }
    logged = Run(tmp_path / "run", tmp_path / "run" / "checkpoints" / "last.ckpt").metrics()
    assert [value for _, value in logged["val/skipped/low"]] == [1.0, 1.0]
    # Every utterance counts once, however ranks and batches divide them.
    alone = tmp_path / "alone"
    main(["test", f"--ckpt_path={tmp_path}/run/checkpoints/best.ckpt", *data[1:], f"--run={alone}"])
    single = Run(alone, alone / "none.ckpt").metrics()["test/loss"][-1][1]
    assert logged["test/loss"][-1][1] == pytest.approx(single, rel=1e-4)
