import json
from collections.abc import Callable
from pathlib import Path

import ablation
import pytest
import yaml
from ablation import Budget, Variant, main, read_variants

from stt.cli.train import main as train
from stt.corpus.manifest import read_manifest
from stt.errors import InputError
from stt.training.subprocesses import Deadline
from tests.conftest import MICRO


def test_a_budget_in_seconds_is_converted_with_the_measured_speed() -> None:
    assert Budget(seconds=100.0, points=10).epochs(0.5) == (10, 20)
    assert Budget(steps=100, points=16).epochs(123.0) == (16, 6)
    assert Budget(seconds=100.0, points=10).epochs(40.0) == (2, 1)


@pytest.mark.parametrize("budget", [Budget(), Budget(steps=5, seconds=5.0), Budget(seconds=1.0)])
def test_an_invalid_budget_is_rejected(budget: Budget) -> None:
    with pytest.raises(InputError, match="budget"):
        budget.epochs(2.0)


@pytest.mark.parametrize(
    ("budget", "measured"),
    [
        (Budget(seconds=3600.0), [3, 144]),
        (Budget(seconds=300.0), [3, 12]),
        (Budget(seconds=60.0), [3]),
        (Budget(steps=9000), [3]),
    ],
)
def test_fast_training_is_measured_over_many_steps(
    budget: Budget, measured: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requested = []

    def measure(options: list[str], folder: Path, warmup: int, steps: int, deadline: object) -> dict[str, float]:
        requested.append(steps)
        return {"device": "cpu", "seconds_per_step": 5.0, "core_seconds_per_step": 0.5 if steps == 3 else 0.6}

    monkeypatch.setattr(ablation, "measure_training", measure)
    monkeypatch.setattr(ablation, "run_training", lambda arguments, output, deadline: None)
    plan = ablation.train_variant(
        Variant("tiny", "", "configs/model/tiny.yaml"), tmp_path / "data.yaml", budget, tmp_path, []
    )
    assert requested == measured
    if measured == [3, 144]:
        assert plan["epochs"] * plan["batches_per_epoch"] == pytest.approx(6000, abs=16)


@pytest.fixture
def corpus(tones: Path, tokenizer_file: Path, tmp_path: Path) -> Path:
    config = {"model": {"tokenizer": str(tokenizer_file)}, "data": {"train": str(tones), "validate": str(tones)}}
    path = tmp_path / "data.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def in_process(deadline: Deadline, command: list[str], output: Path) -> int:
    assert command[1:3] == ["-m", "stt.cli.train"]
    train(command[3:])
    return 0


def test_variants_are_trained_with_one_budget_and_compared(
    tones: Path,
    corpus: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    fails: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wide = yaml.safe_load(MICRO.read_text())
    wide["model"]["encoder"] = {
        "class_path": "stt.models.Wav2Letter",
        "init_args": {"channels": [48, 64], "kernel_sizes": [11, 11], "strides": [2, 2]},
    }
    (tmp_path / "wide.yaml").write_text(yaml.safe_dump(wide))
    variants = [
        {"name": "plain", "change": "convolutions, letters", "config": str(tmp_path / "wide.yaml"), "letters": True},
        {"name": "micro", "change": "the article's", "config": str(MICRO)},
        {"name": "never", "change": "not trained", "config": str(MICRO)},
    ]
    listed = tmp_path / "variants.yaml"
    listed.write_text(yaml.safe_dump(variants))
    out = tmp_path / "out"
    options = [f"--data={corpus}", f"--out={out}", f"--variants={listed}", "--variant=plain", "--variant=micro"]
    monkeypatch.setattr("stt.training.subprocesses.run_until", in_process)  # each process takes seconds to start
    with pytest.raises(SystemExit) as exit_:
        main(["run", *options, "--steps=24", "--points=8", "--utterances=2", "--data.max_batch_seconds=14"])
    assert exit_.value.code == 0
    config = yaml.safe_load((out / "plain" / "config.yaml").read_text())
    assert config["data"]["max_batch_seconds"] == 14, "options are passed to every training run"
    assert config["trainer"]["max_steps"] == 24
    validated = read_manifest(config["data"]["validate"])
    assert [len(rows) for rows in validated.rows_by_domain()] == [2] * len(validated.domains)
    assert all(Path(validated.audio(row).address).exists() for row in range(len(validated)))
    for plan in (out / name / "plan.json" for name in ("plain", "micro")):
        plan.write_text(json.dumps(json.loads(plan.read_text()) | {"core_seconds_per_step": 36.0}))
    with pytest.raises(SystemExit) as exit_:
        main(["report", str(out), f"--variants={listed}"])
    assert exit_.value.code == 0
    plain, micro = json.loads((out / "ablation.json").read_text())
    assert (plain["name"], micro["name"]) == ("plain", "micro")
    # Stride 4 with characters versus stride 8 with pieces: the latter leaves fewer frames for blanks.
    assert 0 < plain["tokens_per_blank"] < micro["tokens_per_blank"]
    for row in (plain, micro):
        assert len(row["cer"]) == 8
        assert row["hours"] == [step / 100 for step in range(3, 25, 3)], "of a core, whatever else it does"
    assert (out / "ablation.png").stat().st_size > 10_000
    assert "micro" in capsys.readouterr().out
    assert "budget" in fails(main, ["run", *options])
    corpus.write_text(corpus.read_text().replace(str(tones), f"[{tones}]"))
    assert "data.validate is not one manifest" in fails(main, ["run", *options, "--steps=24", "--utterances=2"])


def test_a_folder_without_trained_variants_is_reported(tmp_path: Path, fails: Callable[..., str]) -> None:
    assert "ablation.py run" in fails(main, ["report", str(tmp_path)])


def test_the_study_leads_from_deep_speech_to_the_networks_of_the_article() -> None:
    names = [one.name for one in read_variants()]
    assert [names[0], *names[-3:]] == ["deep_speech_2", "small", "large", "tiny"]
    assert [one.name for one in read_variants(names=["small", "bpe"])] == ["bpe", "small"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b", "not a list"),
        ("- name: a", "variant 1"),
        ("- {name: a, change: b, config: configs/missing.yaml}", "configs/missing.yaml"),
        ("- {name: a, change: b, config: configs/model/tiny.yaml, color: red}", "variant 1"),
    ],
)
def test_an_invalid_list_of_variants_is_rejected(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "variants.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_variants(tmp_path / "variants.yaml")


def test_an_unknown_variant_is_reported() -> None:
    with pytest.raises(InputError, match="tinny"):
        read_variants(names=["tinny"])
