import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from stt.cli.main import main as stt
from stt.cli.train import main
from stt.reports.run import find_run

HERE = "--decoder.num_workers=0"


@pytest.fixture(scope="module")
def lm(tones: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lm") / "lm.binary"
    with pytest.raises(SystemExit) as done:
        stt(["lm", "train", str(tones), f"--out={path}"])
    assert done.value.code == 0
    return path


def test_a_test_uses_the_tuned_decoder(
    trained: Path, tones: Path, lm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], fails: Callable[..., str]
) -> None:
    best = trained / "checkpoints" / "best.ckpt"
    config = tmp_path / "decoder.yaml"
    with pytest.raises(SystemExit) as done:
        stt(["lm", "tune", str(best), str(tones), f"--lm={lm}", f"--out={config}", "--utterances=5"])
    assert done.value.code == 0
    assert "greedy: WER" in capsys.readouterr().out
    options = yaml.safe_load(config.read_text())["decoder"]["beam"]
    assert options["lm"] == str(lm)
    assert options["beam_width"] in (10, 25, 50, 100)
    assert config.with_suffix(".png").stat().st_size > 10_000

    run = tmp_path / "run"
    main(["test", f"--ckpt_path={best}", f"--config={config}", f"--data.test={tones}", f"--run={run}", HERE])
    assert "with the configured decoder" in capsys.readouterr().out
    greedy, decoded = (json.loads((run / f"test_metrics{name}.json").read_text()) for name in ("", "_lm"))
    assert set(decoded["domains"]) == set(greedy["domains"]) == {"high", "low"}
    for domain, rates in decoded["domains"].items():
        assert rates["utterances"] == greedy["domains"][domain]["utterances"]
        assert rates["wer"] <= greedy["domains"][domain]["wer"] + 0.02
    missing = ["test", f"--ckpt_path={best}", f"--data.test={tones}", f"--run={run}"]
    assert "lm train" in fails(main, [*missing, f"--decoder.beam.lm={tmp_path / 'none.binary'}"])


def test_validation_logs_error_rates_with_a_language_model_and_greedy_ones(
    fit_args: list[str], lm: Path, tmp_path: Path
) -> None:
    main([*fit_args, f"--decoder.beam.lm={lm}", "--decoder.num_workers=1"])
    curves = find_run(tmp_path / "run").metrics()
    for kind in ("cer", "wer"):
        for domain in ("high", "low", "mean"):
            assert len(curves[f"val/{kind}_lm/{domain}"]) == len(curves[f"val/{kind}/{domain}"]) == 2


def test_predictions_and_transcripts_use_the_configured_decoder(
    trained: Path, tones: Path, lm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], fails: Callable[..., str]
) -> None:
    best, config = trained / "checkpoints" / "best.ckpt", tmp_path / "decoder.yaml"
    config.write_text(yaml.safe_dump({"decoder": {"beam": {"lm": str(lm), "alpha": 1.0, "beta": 2.0}}}))
    run = tmp_path / "run"
    main(["predict", f"--ckpt_path={best}", f"--config={config}", f"--data.predict={tones}", f"--run={run}", HERE])
    lines = [json.loads(line) for line in (run / "predictions.jsonl").read_text().splitlines()]
    references = [json.loads(line)["text"] for line in tones.read_text().splitlines()]
    correct = {
        kind: sum(line[kind] == text for line, text in zip(lines, references, strict=True))
        for kind in ("text", "greedy")
    }
    assert len(lines) == 120
    assert correct["text"] >= correct["greedy"] > 100

    audio = str(tones.parent / "0.wav")
    capsys.readouterr()
    with pytest.raises(SystemExit):
        stt(["transcribe", str(best), audio, "--decoder", str(config)])
    assert capsys.readouterr().out.strip() == references[0]
    config.write_text("decoder: {beam: {width: 3}}")
    assert "not a decoder configuration" in fails(stt, ["transcribe", str(best), audio, "--decoder", str(config)])
    assert "no such configuration" in fails(stt, ["transcribe", str(best), audio, "--decoder", str(tmp_path / "x")])
