import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from rapidfuzz.distance import Levenshtein

from stt.cli.main import main as stt
from stt.cli.train import main
from stt.correction.corrector import Corrector
from stt.correction.corrupt import Corruptor
from stt.correction.network import PADDING, CorrectorNetwork
from stt.metrics.confusions import count_confusions
from stt.text.tokenizer import train_tokenizer
from stt.training.corrector import CorrectorTraining, PairBatches


@pytest.fixture(scope="module")
def network() -> CorrectorNetwork:
    torch.manual_seed(0)
    return CorrectorNetwork(12, d_model=32, num_layers=2, num_heads=2, dropout=0.0).eval()


def test_cached_generation_matches_the_full_forward_pass(network: CorrectorNetwork) -> None:
    sources, lengths = torch.randint(1, 12, (5, 9)), torch.tensor([9, 7, 3, 1, 9])
    generated = network.generate(sources, lengths, max_length=15)
    for i, row in enumerate(generated):
        target = torch.tensor([[PADDING, *row]])
        likely = network(sources[i : i + 1, : lengths[i]], lengths[i : i + 1], target)[0].argmax(dim=-1).tolist()
        kept = [piece for piece in likely[: len(row)] if piece != PADDING]
        assert kept == row
        assert len(row) == 15 or network.end in (likely[len(row)], PADDING) or likely[len(row)] == PADDING


def test_decoder_attention_is_causal(network: CorrectorNetwork) -> None:
    source, lengths = torch.randint(1, 12, (1, 6)), torch.tensor([6])
    target = torch.randint(1, 12, (1, 8))
    changed = target.clone()
    changed[0, 5:] = 3
    before, after = network(source, lengths, target), network(source, lengths, changed)
    torch.testing.assert_close(before[0, :5], after[0, :5])
    assert not torch.allclose(before[0, 5:], after[0, 5:])


def test_padding_does_not_change_the_output(network: CorrectorNetwork) -> None:
    source, target = torch.randint(1, 12, (2, 9)), torch.randint(1, 12, (2, 4))
    source[0, 4:] = PADDING
    together = network(source, torch.tensor([4, 9]), target)
    alone = network(source[:1, :4], torch.tensor([4]), target[:1])
    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=1e-5)


def test_corruption_reproduces_the_observed_errors_and_rates() -> None:
    confusions = count_confusions(
        [("a b c d", "a b x d"), ("a b c d", "a b c d"), ("hello", "helo"), ("hello", "hello")]
    )
    corrupt, rng = Corruptor(confusions), np.random.default_rng(0)
    texts = [corrupt("a b c d", rng) for _ in range(2000)]
    corrupted = Counter(text for text in texts if text != "a b c d")
    assert 0.35 < sum(corrupted.values()) / len(texts) < 0.65  # c was recognized as x half of the time
    assert corrupted.most_common(1)[0][0] == "a b x d"
    assert all(corrupt("a b c d", rng, rate=0.0) == "a b c d" for _ in range(50))
    edits = [sum(Levenshtein.distance("a b c d", corrupt("a b c d", rng, r)) for _ in range(500)) for r in (0.5, 2.0)]
    assert edits[1] > 2 * edits[0]


def train_on(pairs: list[tuple[str, str]], steps: int) -> Corrector:
    tokenizer = train_tokenizer([reference for _, reference in pairs], 30)
    torch.manual_seed(0)
    corrector = Corrector(tokenizer.to_string(), "plain-1", d_model=64, num_heads=2, dropout=0.0)
    task = CorrectorTraining(corrector, total_steps=steps)
    configured = task.configure_optimizers()
    optimizer, schedule = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    task.log = lambda *args, **kwargs: None  # type: ignore[method-assign, assignment]  # there is no trainer
    batches = iter(PairBatches(pairs, [said for _, said in pairs], seed=0))
    for step in range(steps):
        optimizer.zero_grad()
        task.training_step(next(batches), step).backward()
        optimizer.step()
        schedule.step()
    return corrector.eval()


def test_it_learns_to_correct_systematic_errors_and_to_keep_correct_texts() -> None:
    words = ["red", "blue", "green", "black"]
    references = [f"{a} {b} {c}" for a in words for b in words for c in words]
    pairs = [(text.replace("black", "blak").replace("red", "rad"), text) for text in references]
    corrector = train_on(pairs, 250)
    corrected = corrector.correct([recognized for recognized, _ in pairs])
    correct = sum(text == reference for text, reference in zip(corrected, references, strict=True))
    before = sum(recognized == reference for recognized, reference in pairs)
    assert before < 0.35 * len(references)
    assert correct > 0.95 * len(references)
    assert corrector.correct([]) == []
    assert corrector.correct([""]) == [""]


def test_a_correction_that_changes_too_much_is_rejected() -> None:
    corrector = train_on([("abc", "xyz"), ("ab c", "xyz")] * 4 + [("xyz", "abc")], 60)
    assert corrector.correct(["abc"]) == ["abc"]
    corrector.max_change = 2.0
    assert corrector.correct(["abc"]) == ["xyz"]


def test_a_corrector_is_trained_and_used_from_the_command_line(
    trained: Path, tones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], fails: Callable[..., str]
) -> None:
    model, out = trained / "checkpoints" / "best.ckpt", tmp_path / "corrector.ckpt"
    options = ["--validate", str(tones), "--out", str(out), "--steps", "24", "--texts", str(tones)]
    with pytest.raises(SystemExit) as exit_:
        stt(["corrector", "train", str(model), str(tones), *options])
    assert exit_.value.code == 0
    printed = capsys.readouterr().out
    assert "240 pairs and 120 additional texts" in printed
    assert "WER" in printed
    audio = str(tones.parent / "0.wav")
    with pytest.raises(SystemExit) as exit_:
        stt(["transcribe", str(model), audio, "--corrector", str(out)])
    assert exit_.value.code == 0
    assert capsys.readouterr().out.strip()
    run = tmp_path / "run"
    options = [
        f"--data.predict={tones}",
        f"--run={run}",
        "--decoder.postprocessor=stt.correction.Correction",
        f"--decoder.postprocessor.path={out}",
    ]
    main(["predict", f"--ckpt_path={model}", *options])
    lines = [json.loads(line) for line in (run / "predictions.jsonl").read_text().splitlines()]
    assert len(lines) == 120
    assert all({"text", "greedy"} <= set(line) for line in lines)
    assert "no such corrector" in fails(stt, ["transcribe", str(model), audio, "--corrector", str(tmp_path / "x")])
    assert "not a corrector" in fails(stt, ["transcribe", str(model), audio, "--corrector", str(model)])


def test_a_corrector_for_another_tokenizer_is_rejected(
    trained: Path, tmp_path: Path, fails: Callable[..., str]
) -> None:
    Corrector(train_tokenizer(["abc de", "ab"], 9).to_string(), "plain-1", d_model=32, num_heads=2).save(
        tmp_path / "other.ckpt"
    )
    model = str(trained / "checkpoints" / "best.ckpt")
    printed = fails(stt, ["transcribe", model, "a.wav", "--corrector", str(tmp_path / "other.ckpt")])
    assert "another tokenizer or normalizer" in printed


def test_correctors_of_version_0_1_can_be_loaded(tmp_path: Path) -> None:
    corrector = Corrector(train_tokenizer(["abc de", "ab"], 9).to_string(), "plain-1", d_model=32, num_heads=2)
    corrector.save(tmp_path / "new.ckpt")
    content = torch.load(tmp_path / "new.ckpt", weights_only=True)
    given = {**content["corrector"], "lr": 1e-3, "total_steps": 2000}
    given["most_changed"] = given.pop("max_change")
    del given["version"]
    torch.save({"hyper_parameters": given, "state_dict": content["state_dict"]}, tmp_path / "old.ckpt")
    loaded = Corrector.load(tmp_path / "old.ckpt").state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in corrector.state_dict().items())
