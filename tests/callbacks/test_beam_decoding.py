import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from stt.__main__ import main as stt
from stt.cli import main
from stt.reports.run import find_run


@pytest.fixture(scope="module")
def lm(tones: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lm") / "lm.binary"
    with pytest.raises(SystemExit) as done:
        stt(["lm", "train", str(tones), f"--out={path}"])
    assert done.value.code == 0
    return path


def test_tuning_finds_weights_that_a_test_takes_over(
    trained: Path, tones: Path, lm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], fails: Callable[..., str]
) -> None:
    best = trained / "checkpoints" / "best.ckpt"
    config = tmp_path / "beam.yaml"
    with pytest.raises(SystemExit) as done:
        stt(["lm", "tune", str(best), str(tones), f"--lm={lm}", f"--out={config}", "--utterances=5"])
    assert done.value.code == 0
    assert "greedy: WER" in capsys.readouterr().out
    options = yaml.safe_load(config.read_text())["beam"]["options"]
    assert options["lm"] == str(lm)
    assert options["beam_width"] in (10, 25, 50, 100)
    assert config.with_suffix(".png").stat().st_size > 10_000

    run = tmp_path / "run"
    main(["test", f"--ckpt_path={best}", f"--config={config}", f"--data.test={tones}", f"--run={run}"])
    assert "with a language model" in capsys.readouterr().out
    greedy, helped = (json.loads((run / f"test_metrics{name}.json").read_text()) for name in ("", "_lm"))
    assert set(helped["domains"]) == set(greedy["domains"]) == {"high", "low"}
    for domain, rates in helped["domains"].items():
        assert rates["utterances"] == greedy["domains"][domain]["utterances"]
        assert rates["wer"] <= greedy["domains"][domain]["wer"] + 0.02
    missing = ["test", f"--ckpt_path={best}", f"--data.test={tones}", f"--run={run}"]
    assert "lm train" in fails(main, [*missing, f"--beam.options.lm={tmp_path / 'none.binary'}"])


def test_validation_logs_error_rates_with_a_language_model_beside_the_greedy_ones(
    fit_args: list[str], lm: Path, tmp_path: Path
) -> None:
    main([*fit_args, f"--beam.options.lm={lm}", "--beam.num_workers=1"])
    curves = find_run(tmp_path / "run").metrics()
    for kind in ("cer", "wer"):
        for domain in ("high", "low", "mean"):
            assert len(curves[f"val/{kind}_lm/{domain}"]) == len(curves[f"val/{kind}/{domain}"]) == 2
