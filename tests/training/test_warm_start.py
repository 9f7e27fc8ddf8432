import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from stt.audio.augmentation.device import Augmentation
from stt.audio.features import LogMel
from stt.cli.train import main
from stt.errors import InputError
from stt.models import ConvTransformer
from stt.reports.run import find_run
from stt.text.tokenizer import Tokenizer, train_tokenizer
from stt.training.task import SpeechTask
from stt.training.warm_start import mapped_output_layer, warm_start
from tests.conftest import MICRO, RATE, write_corpus
from tests.recorder import recorded

SIZES = {"conv_channels": (32, 48, 64), "conv_blocks": (1, 1, 1), "conv_kernel_sizes": (5, 5, 5)}


def new_model(tokenizer: Path, sample_rate: int = RATE, **sizes: object) -> SpeechTask:
    encoder = ConvTransformer(**{"n_mels": 32, "d_model": 64, "num_layers": 2, "num_heads": 2, **SIZES, **sizes})  # type: ignore[arg-type]
    features = LogMel(sample_rate, n_mels=32)
    return SpeechTask(str(tokenizer), "plain-1", features, encoder, Augmentation(0.0), torch.optim.AdamW)


@pytest.fixture(scope="session")
def other_tokenizer(tokenizer_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer with as many pieces as that of the tones, but different ones."""
    path = tmp_path_factory.mktemp("other") / "other.model"
    texts = ["bad cab", "fab bad", "fa ab ce", "cab fab"] * 5
    path.write_bytes(train_tokenizer(texts, Tokenizer.load(tokenizer_file).vocab_size).model)
    return path


def test_with_the_same_tokenizer_all_weights_are_loaded(trained: Path, tokenizer_file: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "renamed.model"
    renamed.write_bytes(tokenizer_file.read_bytes())
    model = new_model(renamed)
    report = warm_start(model.recognizer, trained / "checkpoints" / "best.ckpt")
    assert "the same" in report.message
    parent = torch.load(trained / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(value, parent[name]) for name, value in model.state_dict().items())
    assert report.domains == ["high", "low"]


def test_with_another_tokenizer_of_the_same_size_only_shared_pieces_are_loaded(
    trained: Path, tokenizer_file: Path, other_tokenizer: Path
) -> None:
    model = new_model(other_tokenizer)
    fresh = {name: value.clone() for name, value in model.state_dict().items()}
    old, new = Tokenizer.load(tokenizer_file).pieces, model.recognizer.tokenizer.pieces
    assert len(old) == len(new)
    message = warm_start(model.recognizer, trained / "checkpoints" / "best.ckpt").message
    shared = [piece for piece in new if piece in old]
    assert f"{len(shared)} of its {len(new)} pieces are in the checkpoint" in message
    assert 1 < len(shared) < len(new)
    parent = torch.load(trained / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    for i, piece in enumerate(new):
        expected = parent["head.weight"][old.index(piece)] if piece in old else fresh["head.weight"][i]
        assert torch.equal(model.recognizer.head.weight[i], expected), piece
    assert torch.equal(model.state_dict()["encoder.project.weight"], parent["encoder.project.weight"])


def test_the_blank_keeps_its_row() -> None:
    child = {"head.weight": torch.zeros(3, 2), "head.bias": torch.zeros(3)}
    parent = {"head.weight": torch.arange(1.0, 9.0).view(4, 2), "head.bias": torch.arange(1.0, 5.0)}
    head, shared = mapped_output_layer(child, parent, ["", "x", "b"], ["", "a", "b", "c"])
    assert shared == 2
    assert head["head.weight"].tolist() == [[1, 2], [0, 0], [5, 6]]
    assert head["head.bias"].tolist() == [1, 0, 3]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"d_model": 32}, r"encoder\.project\.weight is \(64, 64\) in the checkpoint, \(32, 64\) in this model"),
        ({"num_layers": 3}, r"encoder\.transformer\.layers\.2\S* is missing in the checkpoint"),
        ({"sample_rate": 16_000}, "sample_rate is 8000 in the checkpoint, 16000 in this model"),
    ],
)
def test_a_different_network_is_refused_naming_the_first_difference(
    trained: Path, tokenizer_file: Path, changed: dict[str, int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        warm_start(new_model(tokenizer_file, **changed).recognizer, trained / "checkpoints" / "best.ckpt")  # type: ignore[arg-type]


def test_the_normalizer_is_that_of_the_checkpoint_unless_one_is_given(tokenizer_file: Path, tmp_path: Path) -> None:
    parent = tmp_path / "parent.ckpt"
    SpeechTask(str(tokenizer_file), normalizer="russian-1").recognizer.save(parent)
    assert SpeechTask(init_from=str(parent)).recognizer.normalizer.name == "russian-1"
    assert SpeechTask(init_from=str(parent), normalizer="plain-1").recognizer.normalizer.name == "plain-1"
    assert SpeechTask(str(tokenizer_file)).recognizer.normalizer.name == "plain-1"


@pytest.fixture
def new_domain(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "new", 30, seed=5, domains=("third",))


def fine_tuning_args(trained: Path, tones: Path, new_domain: Path, run: Path, *options: str) -> list[str]:
    return [
        "fit",
        f"--config={MICRO}",
        f"--model.init_from={trained}/checkpoints/best.ckpt",
        f"--data.train={new_domain}",
        f"--data.validate=[{new_domain}, {tones}]",
        f"--data.replay={tones}",
        f"--run={run}",
        *options,
    ]


def test_with_texts_of_another_alphabet_the_error_names_the_option_for_a_new_tokenizer(
    trained: Path, tones: Path, new_domain: Path, tmp_path: Path, fails: Callable[..., str]
) -> None:
    lines = [{**json.loads(line), "text": "xyz"} for line in new_domain.read_text().splitlines()]
    new_domain.write_text("".join(json.dumps(line) + "\n" for line in lines))
    said = fails(main, fine_tuning_args(trained, tones, new_domain, tmp_path / "run"))
    assert "characters outside the tokenizer's alphabet: 'x' 'y' 'z'; another alphabet needs a new tokenizer" in said
    assert "--model.tokenizer FILE" in said


def test_fine_tuning_logs_the_parent_at_step_0_and_keeps_its_domains(
    trained: Path, tones: Path, new_domain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    ema = "lightning.pytorch.callbacks.EMAWeightAveraging"
    options = [
        "--data.replay_share=0.5",
        "--best_checkpoint.monitor=val/cer/under_limit",
        "--data.sampler=CurriculumSampler",
    ]
    main(
        fine_tuning_args(
            trained, tones, new_domain, run, *options, f"--trainer.callbacks+={ema}", "--trainer.callbacks.decay=0.5"
        )
    )
    said = capsys.readouterr().out
    assert "the tokenizer is the same" in said, "without --model.tokenizer it is the checkpoint's"
    assert "step 0: CER" in said
    curves = find_run(run).metrics()
    assert curves["val/cer/high"][0][0] == 0, "the parent's error rates are in the same log"
    for name in ("forgetting/cer/high", "forgetting/cer/low", "forgetting/cer/worst", "val/cer/under_limit"):
        assert len(curves[name]) == 2
    change = curves["val/cer/high"][1][1] - curves["val/cer/high"][0][1]
    assert curves["forgetting/cer/high"][0][1] == pytest.approx(change, abs=1e-6)
    assert "forgetting/cer/third" not in curves
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert state["parent_domains"] == ["high", "low"]
    assert state["recognizer"]["train_domains"] == ["high", "low", "third"]
    # A resumed run keeps its own weights, and the parent's error rates.
    main(
        [
            *fine_tuning_args(trained, tones, new_domain, run, *options),
            f"--ckpt_path={run}/checkpoints/last.ckpt",
            "--trainer.max_steps=9",
        ]
    )
    assert "with the weights of" not in capsys.readouterr().out
    assert len(find_run(run).metrics()["forgetting/cer/worst"]) == 3


def test_forgetting_is_detected_and_stops_the_run_if_requested(
    trained: Path, tones: Path, new_domain: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = tmp_path / "run"
    lines = [json.loads(line) for line in new_domain.read_text().splitlines()]
    # Letters are relabeled (a becomes b): learning that means forgetting.
    swapped = str.maketrans("abcde", "bcdea")
    new_domain.write_text(
        "".join(json.dumps({**line, "text": line["text"].translate(swapped)}) + "\n" for line in lines)
    )
    options = ["--data.replay=null", "--forgetting.stop=true", "--trainer.max_steps=60", "--data.batches_per_epoch=20"]
    main(fine_tuning_args(trained, tones, new_domain, run, *options))
    curves = find_run(run).metrics()
    assert curves["forgetting/cer/worst"][-1][1] > 0.01
    assert curves["val/cer/under_limit"][-1][1] > 1
    assert curves["val/cer/mean"][-1][0] < 59, "training stopped early"
    assert "has risen by" in caplog.text


def test_replay_has_the_requested_share(
    trained: Path,
    tones: Path,
    new_domain: Path,
    tmp_path: Path,
    fails: Callable[..., str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = tmp_path / "run"
    options = [
        "--data.replay_share=0.2",
        "--data.batches_per_epoch=100",
        "--trainer.max_steps=100",
        "--model.optimizer.init_args.lr=0",
        f"--data.validate={new_domain}",
    ]
    recorder = ["--trainer.callbacks+=tests.recorder.Recorder", f"--trainer.callbacks.folder={tmp_path}"]
    main([*fine_tuning_args(trained, tones, new_domain, run, *options), *recorder])
    rows = [row for step in recorded(tmp_path).values() for row in step]
    assert sum(row >= 30 for row in rows) / len(rows) == pytest.approx(0.2, abs=0.03), "the new manifest comes first"
    assert "trained on high, low too, which --data.validate has not" in caplog.text, "forgetting would pass unseen"
    both = ["--data.replay_share=0.2", "--data.domain_weights={third: 1}"]
    assert "exclude each other" in fails(main, fine_tuning_args(trained, tones, new_domain, tmp_path / "no", *both))
    for share in ("0", "1.5"):
        assert "between 0 and 1" in fails(
            main, fine_tuning_args(trained, tones, new_domain, tmp_path / "no", f"--data.replay_share={share}")
        )
    same = ["--data.replay_share=0.5", f"--data.train={tones}"]
    message = fails(main, fine_tuning_args(trained, tones, new_domain, tmp_path / "no", *same))
    assert "--data.train has all domains of --data.replay (high, low)" in message
    assert "domain_weights" not in message


def test_frozen_parts_do_not_change_until_their_step(
    trained: Path, tones: Path, new_domain: Path, tmp_path: Path, fails: Callable[..., str]
) -> None:
    parent = torch.load(trained / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    freezing = ["--trainer.callbacks+=stt.training.callbacks.Freezing", "--trainer.callbacks.parts=[encoder.conv]"]
    for steps, frozen in ((-1, True), (6, True), (5, False)):
        run = tmp_path / str(steps)
        main(fine_tuning_args(trained, tones, new_domain, run, *freezing, f"--trainer.callbacks.steps={steps}"))
        state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        moved = {name for name, value in state.items() if not torch.equal(value, parent[name])}
        assert any(name.startswith("encoder.transformer") for name in moved)
        assert any(name.startswith("encoder.conv") for name in moved) != frozen
    wrong = ["--trainer.callbacks+=stt.training.callbacks.Freezing", "--trainer.callbacks.parts=[encoder.cnov]"]
    message = fails(
        main, fine_tuning_args(trained, tones, new_domain, tmp_path / "no", *wrong, "--trainer.callbacks.steps=1")
    )
    assert "encoder.cnov" in message
    assert "encoder.conv" in message
