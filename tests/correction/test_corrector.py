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


def test_writing_piece_by_piece_is_what_the_whole_network_would_write(network: CorrectorNetwork) -> None:
    sources, lengths = torch.randint(1, 12, (5, 9)), torch.tensor([9, 7, 3, 1, 9])
    written = network.generate(sources, lengths, longest=15)
    for i, row in enumerate(written):
        begun = torch.tensor([[PADDING, *row]])
        likely = network(sources[i : i + 1, : lengths[i]], lengths[i : i + 1], begun)[0].argmax(dim=-1).tolist()
        kept = [piece for piece in likely[: len(row)] if piece != PADDING]
        assert kept == row
        assert len(row) == 15 or network.end in (likely[len(row)], PADDING) or likely[len(row)] == PADDING


def test_a_piece_is_not_told_by_those_after_it(network: CorrectorNetwork) -> None:
    source, lengths = torch.randint(1, 12, (1, 6)), torch.tensor([6])
    target = torch.randint(1, 12, (1, 8))
    changed = target.clone()
    changed[0, 5:] = 3
    before, after = network(source, lengths, target), network(source, lengths, changed)
    torch.testing.assert_close(before[0, :5], after[0, :5])
    assert not torch.allclose(before[0, 5:], after[0, 5:])


def test_the_padding_of_a_batch_changes_nothing(network: CorrectorNetwork) -> None:
    source, target = torch.randint(1, 12, (2, 9)), torch.randint(1, 12, (2, 4))
    source[0, 4:] = PADDING
    together = network(source, torch.tensor([4, 9]), target)
    alone = network(source[:1, :4], torch.tensor([4]), target[:1])
    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=1e-5)


def test_texts_are_corrupted_as_often_and_in_the_ways_that_were_seen() -> None:
    seen = count_confusions([("a b c d", "a b x d"), ("a b c d", "a b c d"), ("hello", "helo"), ("hello", "hello")])
    corrupt, rng = Corruptor(seen), np.random.default_rng(0)
    texts = [corrupt("a b c d", rng) for _ in range(2000)]
    made = Counter(text for text in texts if text != "a b c d")
    assert 0.35 < sum(made.values()) / len(texts) < 0.65  # half of the time c was taken for x
    assert made.most_common(1)[0][0] == "a b x d"
    assert all(corrupt("a b c d", rng, rate=0.0) == "a b c d" for _ in range(50))
    edits = [sum(Levenshtein.distance("a b c d", corrupt("a b c d", rng, r)) for _ in range(500)) for r in (0.5, 2.0)]
    assert edits[1] > 2 * edits[0]


def learned(pairs: list[tuple[str, str]], steps: int) -> Corrector:
    tokenizer = train_tokenizer([said for _, said in pairs], 30)
    torch.manual_seed(0)
    corrector = Corrector(tokenizer.to_string(), "plain-1", d_model=64, num_heads=2, dropout=0.0)
    task = CorrectorTraining(corrector, total_steps=steps)
    found = task.configure_optimizers()
    optimizer, schedule = found["optimizer"], found["lr_scheduler"]["scheduler"]
    task.log = lambda *args, **kwargs: None  # type: ignore[method-assign, assignment]  # there is no trainer
    batches = iter(PairBatches(pairs, [said for _, said in pairs], seed=0))
    for step in range(steps):
        optimizer.zero_grad()
        task.training_step(next(batches), step).backward()
        optimizer.step()
        schedule.step()
    return corrector.eval()


def test_it_learns_to_mend_what_is_always_misheard_and_to_leave_the_rest() -> None:
    words = ["red", "blue", "green", "black", "white", "brown"]
    said = [f"{a} {b} {c}" for a in words for b in words for c in words]
    pairs = [(text.replace("black", "blak").replace("red", "rad"), text) for text in said]
    corrector = learned(pairs, 300)
    corrected = corrector.correct([recognized for recognized, _ in pairs])
    right = sum(text == wanted for text, wanted in zip(corrected, said, strict=True))
    before = sum(recognized == wanted for recognized, wanted in pairs)
    assert before < 0.35 * len(said)
    assert right > 0.95 * len(said)
    assert corrector.correct([]) == []
    assert corrector.correct([""]) == [""]


def test_a_correction_that_has_lost_the_thread_is_not_taken() -> None:
    corrector = learned([("abc", "xyz"), ("ab c", "xyz")] * 4 + [("xyz", "abc")], 60)
    assert corrector.correct(["abc"]) == ["abc"]
    corrector.most_changed = 2.0
    assert corrector.correct(["abc"]) == ["xyz"]


def test_a_corrector_is_trained_and_used_from_the_command_line(
    trained: Path, tones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], fails: Callable[..., str]
) -> None:
    model, out = trained / "checkpoints" / "best.ckpt", tmp_path / "corrector.ckpt"
    options = ["--validate", str(tones), "--out", str(out), "--steps", "24", "--texts", str(tones)]
    with pytest.raises(SystemExit) as stopped:
        stt(["corrector", "train", str(model), str(tones), *options])
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    assert "240 pairs and 120 additional texts" in said
    assert "WER" in said
    audio = str(tones.parent / "0.wav")
    with pytest.raises(SystemExit) as stopped:
        stt(["transcribe", str(model), audio, "--corrector", str(out)])
    assert stopped.value.code == 0
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


def test_a_corrector_of_another_tokenizer_is_refused(trained: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    Corrector(train_tokenizer(["abc de", "ab"], 9).to_string(), "plain-1", d_model=32, num_heads=2).save(
        tmp_path / "other.ckpt"
    )
    model = str(trained / "checkpoints" / "best.ckpt")
    said = fails(stt, ["transcribe", model, "a.wav", "--corrector", str(tmp_path / "other.ckpt")])
    assert "another tokenizer or normalizer" in said


def test_a_corrector_that_version_0_1_wrote_is_read(tmp_path: Path) -> None:
    corrector = Corrector(train_tokenizer(["abc de", "ab"], 9).to_string(), "plain-1", d_model=32, num_heads=2)
    corrector.save(tmp_path / "new.ckpt")
    content = torch.load(tmp_path / "new.ckpt", weights_only=True)
    given = {**content["corrector"], "lr": 1e-3, "total_steps": 2000}
    del given["version"]
    torch.save({"hyper_parameters": given, "state_dict": content["state_dict"]}, tmp_path / "old.ckpt")
    read = Corrector.load(tmp_path / "old.ckpt").state_dict()
    assert all(torch.equal(value, read[name]) for name, value in corrector.state_dict().items())
