from pathlib import Path

import pytest
import yaml

from stt.cli.train import main
from stt.errors import InputError
from stt.inference.untrained import build_untrained
from stt.text.tokenizer import Tokenizer
from tests.conftest import MICRO, ROOT


@pytest.mark.parametrize("config", [MICRO, *sorted((ROOT / "configs" / "model").glob("*.yaml"))], ids=lambda p: p.stem)
def test_the_network_of_a_configuration_is_the_one_that_training_would_build(
    config: Path, tokenizer_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["fit", f"--config={config}", f"--model.tokenizer={tokenizer_file}", "--print_config"])
    trained = yaml.safe_load(capsys.readouterr().out)["model"]
    recognizer = build_untrained(config, Tokenizer.load(tokenizer_file))
    described = recognizer.description()
    assert described["normalizer"] == (trained["normalizer"] or "plain-1")
    trained["encoder"]["init_args"]["n_mels"] = trained["features"]["init_args"]["n_mels"]  # linked, so not printed
    for part in ("features", "encoder"):
        assert described[part]["class"] == trained[part]["class_path"].rpartition(".")[2]
        assert described[part]["arguments"] == trained[part]["init_args"]
    assert not recognizer.training


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trainer: {}", "not a model configuration"),
        ("model: [1]", "not a model configuration"),
        ("model: {encoder: {class_path: os.system}}", "'system', which is not registered"),
        ("model: {encoder: {class_path: stt.models.ConvTransformer, init_args: {d_model: 3}}}", "d_model"),
    ],
)
def test_another_file_is_refused_by_name(text: str, message: str, tmp_path: Path, tokenizer_file: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(text)
    with pytest.raises(InputError, match=message) as refused:
        build_untrained(config, Tokenizer.load(tokenizer_file))
    assert str(refused.value).startswith(str(config))
