import csv
import json
from collections.abc import Callable
from pathlib import Path

import matplotlib.image
import pytest
import torch

from stt.cli.main import main as stt
from stt.cli.train import main
from stt.reports.run import find_run

CURRICULUM = "--data.sampler=stt.sampling.CurriculumSampler"


@pytest.fixture
def run(fit_args: list[str], tmp_path: Path) -> Path:
    """Train with the curriculum; return the run folder."""
    main([*fit_args, CURRICULUM])
    return tmp_path / "run"


def command(*args: object) -> None:
    with pytest.raises(SystemExit) as stopped:
        stt(["curriculum", "show", *map(str, args)])
    assert stopped.value.code == 0


def test_the_plot_has_a_column_for_each_domain(run: Path) -> None:
    command(run)
    picture = matplotlib.image.imread(run / "curriculum.png")
    height, width, _ = picture.shape
    assert width > 600
    assert height > 800
    assert picture[..., :3].std() > 0.1


def test_label_errors_are_listed_worst_first_with_reference_and_hypothesis(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = run / "checkpoints" / "last.ckpt"
    state = torch.load(checkpoint, weights_only=True)
    sampling = state["SpeechDataModule"]["stream"]["sampler"]
    sampling["label_errors"][[3, 10]] = True
    sampling["ledger"]["label_score"][[3, 10]] = torch.tensor([0.8, 1.1], dtype=torch.float16)
    sampling["ledger"]["label_observations"][[3, 10]] = 4
    sampling["hypotheses"] = {"rows": torch.tensor([10]), "texts": ["abc"]}
    torch.save(state, checkpoint)
    command(checkpoint, "--out", tmp_path / "c.pdf", "--label-errors", tmp_path / "s.csv")
    assert (tmp_path / "c.pdf").read_bytes().startswith(b"%PDF")
    with (tmp_path / "s.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["row"] for row in rows] == ["11", "4"]
    assert rows[0]["audio"] == "10.wav"
    assert rows[0]["hypothesis"] == "abc"
    assert 0 < float(rows[0]["cer"]) <= 3
    assert (rows[0]["label_error_score"], rows[0]["observations"], rows[0]["domain"]) == ("1.10", "4", "high")
    assert (rows[1]["hypothesis"], rows[1]["cer"]) == ("", "")
    assert "2 suspected label errors" in capsys.readouterr().out


def test_the_target_is_no_longer_kept_in_the_last_quarter_of_a_training(steered: Path) -> None:
    released = find_run(steered).metrics()["curriculum/released/high"]
    first = next(step for step, value in released if value)
    assert 72 <= first < 96
    assert all(value == (step >= first) for step, value in released)


def test_a_path_without_a_run_or_curriculum_is_rejected(
    fit_args: list[str], tmp_path: Path, fails: Callable[..., str]
) -> None:
    assert "neither a checkpoint nor a run folder" in fails(stt, ["curriculum", "show", str(tmp_path)])
    main([*fit_args, "--data.sampler=UniformSampler"])
    assert "this run has no curriculum" in fails(stt, ["curriculum", "show", str(tmp_path / "run")])
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "x.ckpt").write_text("no checkpoint")
    assert "not a checkpoint of this project" in fails(
        stt, ["curriculum", "show", str(tmp_path / "checkpoints" / "x.ckpt")]
    )


def test_label_errors_of_another_manifest_are_not_listed(run: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    other = tmp_path / "other.csv"
    other.write_text("audio,text,duration,domain\n1.wav,a,1.0,high\n")
    args = ["curriculum", "show", str(run), "--label-errors", str(tmp_path / "s.csv"), "--manifest", str(other)]
    assert "was not trained on this manifest" in fails(stt, args)


def test_a_corrected_text_is_no_longer_listed_and_training_resumes_with_the_rest_of_the_ledger(
    run: Path, fit_args: list[str], tones: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint = run / "checkpoints" / "last.ckpt"
    state = torch.load(checkpoint, weights_only=True)
    before = state["SpeechDataModule"]["stream"]["sampler"]
    before["label_errors"][[3, 10]] = True
    before["ledger"]["label_score"][[3, 10]], before["ledger"]["label_observations"][[3, 10]] = 1.0, 4
    torch.save(state, checkpoint)
    lines = tones.read_text().splitlines()
    lines[3] = json.dumps({**json.loads(lines[3]), "text": "abc"})
    corrected = tones.parent / "corrected.jsonl"  # next to the audio
    corrected.write_text("\n".join(lines))

    command(checkpoint, "--out", tmp_path / "c.png", "--label-errors", tmp_path / "s.csv", "--manifest", corrected)
    with (tmp_path / "s.csv").open() as file:
        assert [row["row"] for row in csv.DictReader(file)] == ["11"]

    steps = state["global_step"] + 1
    resume = [f"--ckpt_path={checkpoint}", f"--data.train={corrected}", f"--trainer.max_steps={steps}"]
    main([*fit_args, CURRICULUM, *resume, "--data.batches_per_epoch=1", f"--run={tmp_path / 'resumed'}"])
    assert "1 texts were corrected, so their label-error scores are reset" in caplog.text
    assert "utterances are known" not in caplog.text  # they all are
    after = torch.load(tmp_path / "resumed" / "checkpoints" / "last.ckpt", weights_only=True)
    after = after["SpeechDataModule"]["stream"]["sampler"]
    assert after["ledger"]["label_observations"][[3, 10]].tolist()[0] < 4
    assert after["ledger"]["label_observations"][10] >= 4
    assert (after["ledger"]["count"].numpy() >= before["ledger"]["count"].numpy()).all()
    assert torch.equal(after["keys"], before["keys"])
