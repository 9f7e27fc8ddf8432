from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from stt.cli.main import main as stt
from stt.corpus.manifest import read_manifest, write_manifest
from stt.data.vocabulary import vocabulary_fits
from stt.errors import InputError
from stt.text.normalize import get_normalizer


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """The same words spoken slowly and fast: 20 letters in 4 s and in 0.5 s."""
    texts = [f"{a * 4} {b * 4} {c * 4} {d * 5}" for a, b, c, d in ("abcd", "bcda", "cdab", "dabc")] * 5
    rows = [
        {"audio": f"{domain}{i}.wav", "text": text, "duration": seconds, "domain": domain}
        for domain, seconds in (("slow", 4.0), ("fast", 0.5))
        for i, text in enumerate(texts)
    ]
    write_manifest(pa.Table.from_pylist(rows), tmp_path / "m.parquet", "plain-1")
    return tmp_path / "m.parquet"


def test_frames_per_token_follow_the_stride_and_the_speed(corpus: Path) -> None:
    fits = vocabulary_fits(read_manifest(corpus), get_normalizer("plain-1"), [6, 30], [2, 8], 0.01)
    by_setting = {(fit.pieces, fit.stride, fit.domain): fit for fit in fits}
    small, large = sorted({fit.pieces for fit in fits})
    letters = len("aaaa bbbb cccc ddddd") + 1  # SentencePiece adds a space marker before the first word
    assert by_setting[small, 2, "slow"].frames_per_token == pytest.approx(201 / letters, rel=0.02)
    assert by_setting[small, 8, "slow"].frames_per_token == pytest.approx(51 / letters, rel=0.02)
    assert by_setting[large, 8, "slow"].frames_per_token > 2 * by_setting[small, 8, "slow"].frames_per_token
    # 51 feature frames at stride 8 are 7 output frames: far fewer than the letters.
    assert by_setting[small, 8, "fast"].unalignable == 1
    assert "cannot align 100.0 % of fast" in by_setting[small, 8, "fast"].warning
    assert by_setting[small, 2, "slow"].unalignable == 0
    assert by_setting[small, 2, "slow"].warning == ""


def test_the_command_warns_about_unsuitable_settings(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        stt(["corpus", "feasibility", str(corpus), "--pieces", "6", "--stride", "8"])
    assert stopped.value.code == 0
    output = capsys.readouterr().out
    assert "stride 8" in output
    assert "warning: " in output


def test_texts_that_the_normalizer_rejects_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [
        {"audio": f"{i}.wav", "text": text, "duration": 1.0, "domain": "a"}
        for i, text in enumerate(["мама мыла раму"] * 9 + ["iPhone 9 " * 30])
    ]
    write_manifest(pa.Table.from_pylist(rows), tmp_path / "m.parquet", "")
    (fit,) = vocabulary_fits(read_manifest(tmp_path / "m.parquet"), get_normalizer("russian-1"), [9], [2], 0.01)
    assert fit.unalignable == 0
    assert "a: 1 of 10 texts are left out" in caplog.text
    rows[0]["domain"] = "b"
    rows[0]["text"] = "iPhone"
    write_manifest(pa.Table.from_pylist(rows), tmp_path / "n.parquet", "")
    with pytest.raises(InputError, match="rejects all texts of b"):
        vocabulary_fits(read_manifest(tmp_path / "n.parquet"), get_normalizer("russian-1"), [9], [2], 0.01)


@pytest.mark.parametrize("options", [["--pieces", "1"], ["--stride", "0"], ["--hop-seconds", "0"]])
def test_invalid_settings_are_rejected(corpus: Path, options: list[str], fails: Callable[..., str]) -> None:
    assert "must be" in fails(stt, ["corpus", "feasibility", str(corpus), *options])
