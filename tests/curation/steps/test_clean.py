"""Cleaning by rules that need no recognizer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from stt.audio.io import read_audio
from stt.cli.main import main
from stt.corpus.manifest import Manifest, read_manifest
from stt.corpus.provenance import read_step
from stt.corpus.rejection import rejected_path
from stt.curation.clean.rules import NAMES
from stt.curation.steps import steps
from stt.curation.steps.clean import run
from stt.errors import InputError
from stt.text.tokenizer import train_tokenizer
from tests.corpus.engines import Threads
from tests.curation.steps.speech import RATE, bursts, write


def cleaned(manifest: Path, name: str = "kept", **options: Any) -> tuple[Manifest, dict[str, dict[str, Any]]]:
    """Clean a manifest; return what is kept, and the rejected rows by id."""
    out = manifest.parent / "out" / f"{name}.parquet"
    kept = run(read_manifest(manifest), out=out, engine=Threads(), **options)
    assert kept is not None
    rejected = read_manifest(rejected_path(out)).table.to_pylist() if rejected_path(out).exists() else []
    assert {row["id"] for row in rejected}.isdisjoint(ids := set(kept.table["id"].to_pylist()))
    assert len(ids) + len(rejected) == len(read_manifest(manifest))
    return kept, {row["id"]: row for row in rejected}


def broken(manifest: Path, **options: Any) -> dict[str, str]:
    return {name: row["rule"] for name, row in cleaned(manifest, **options)[1].items()}


def noise(seconds: float) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal(round(seconds * RATE))).astype(np.float32)


SPOILED: dict[str, dict[str, Any]] = {
    "duration": {"waveform": bursts(2, 0.29), "text": "да"},
    "rate": {"text": "слишком длинный текст для двух секунд звука " * 2},
    "silence": {"waveform": np.concatenate([bursts(2, 0.5), np.zeros(9 * RATE, np.float32)])},
    "level": {"waveform": bursts(3) / 500},
    "clipping": {"waveform": np.clip(20 * bursts(4), -1, 1)},
    "snr": {"waveform": noise(3)},
}


@pytest.mark.parametrize("rule", SPOILED)
def test_a_spoiled_utterance_breaks_its_rule_and_is_kept_if_that_is_off(rule: str, tmp_path: Path) -> None:
    manifest = write(tmp_path, [{}, {}, SPOILED[rule], {}])
    kept, rejected = cleaned(manifest)
    assert {name: row["rule"] for name, row in rejected.items()} == {"m/2": rule}
    row = rejected["m/2"]
    assert (row["figure"] < row["limit"]) == (rule in ("duration", "level", "snr"))
    assert f"{row['figure']:.4g}" in row["reason"]
    assert row["hypothesis"] is None
    assert kept.table["mine"].to_pylist() == [0, 1, 3]
    assert len(cleaned(manifest, "again", off=[rule, "snr"])[0]) == 4  # no SNR can be told of silence


def test_characters_outside_an_alphabet_are_counted(tmp_path: Path) -> None:
    manifest = write(tmp_path, [{"text": "а б в"}, {"text": "а б-[]^ вгг"}])
    assert not broken(manifest)
    _, rejected = cleaned(manifest, "again", alphabet="абв-[]^\\")
    assert (rejected["m/1"]["rule"], rejected["m/1"]["figure"]) == ("alphabet", 2)


def test_an_alphabet_can_be_that_of_a_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "t.model").write_bytes(train_tokenizer(["аб вг"], 8).model)
    manifest = write(tmp_path, [{"text": "аб вг"}, {"text": "аб вд"}])
    assert broken(manifest, tokenizer=tmp_path / "t.model") == {"m/1": "alphabet"}
    with pytest.raises(InputError, match="either --alphabet or --tokenizer"):
        run(
            read_manifest(manifest),
            out=tmp_path / "o.parquet",
            engine=Threads(),
            alphabet="а",
            tokenizer=tmp_path / "t.model",
        )


def test_of_the_same_samples_the_first_good_utterance_stays(tmp_path: Path) -> None:
    same = bursts(7)
    soundfile.write(tmp_path / "other.flac", np.zeros(RATE), RATE)
    manifest = write(tmp_path, [{"waveform": same, "text": "ж " * 50}, {"waveform": same}, {}, {"waveform": same}])
    assert broken(manifest) == {"m/0": "rate", "m/3": "same_audio"}
    _, rejected = cleaned(manifest, "again", max_same_audio=2)
    assert rejected.keys() == {"m/0"}


def test_a_text_is_kept_so_many_times_in_each_domain_whatever_the_order(tmp_path: Path) -> None:
    rows = [{"text": "одно и то же", "id": f"u{i}"} for i in range(10)] + [{"text": "другое"}]
    kept, rejected = cleaned(write(tmp_path, rows), max_same_text=3)
    assert [kept.table["domain"].to_pylist().count(one) for one in "ab"] == [4, 3]
    assert {(row["rule"], row["figure"], row["limit"]) for row in rejected.values()} == {("same_text", 5, 3)}
    backwards = write(tmp_path, [row | {"domain": "ab"[(9 - i) % 2]} for i, row in enumerate(rows[9::-1])], "back")
    assert broken(backwards, name="again", max_same_text=3).keys() == rejected.keys()


def test_texts_and_speakers_of_test_sets_are_found_however_they_are_written(tmp_path: Path) -> None:
    rows = [{"text": "раз два"}, {"speaker": "ann"}, {"text": "три", "speaker": "bob"}, {"text": "четыре"}]
    manifest = write(tmp_path, rows)
    soundfile.write(tmp_path / "t.wav", bursts(9), RATE)
    (tmp_path / "t.csv").write_text(
        "audio,text,duration,domain,speaker\nt.wav,«Ра\u00adз — ДВА!»,2,x,ann\nt.wav,,2,x,\n"
    )
    test = [tmp_path / "t.csv"]
    assert broken(manifest, test=test) == {"m/0": "test_text", "m/1": "test_speaker"}
    assert broken(manifest, name="again", test=test, off=["test_speaker"]) == {"m/0": "test_text"}


def test_all_broken_rules_are_named_and_the_first_one_counts(tmp_path: Path) -> None:
    manifest = write(tmp_path, [{}, {"waveform": np.zeros(40 * RATE, np.float32)}])
    row = cleaned(manifest)[1]["m/1"]
    assert (row["rule"], row["figure"], row["limit"]) == ("duration", 40, 30)
    assert [part.split(" ")[0] for part in row["reason"].split("; ")] == [
        "seconds",
        "characters",
        "share",
        "level",
        "estimated",
    ]


def test_what_is_written_can_be_read_from_another_folder_and_tells_its_history(tmp_path: Path) -> None:
    manifest = write(tmp_path, [{}, SPOILED["snr"], {}])
    kept, _ = cleaned(manifest)
    assert kept.normalizer == "plain-1"
    np.testing.assert_array_equal(read_audio(kept.audio(1), RATE), bursts(2))
    rejected = read_manifest(rejected_path(kept.path))
    assert len(read_audio(rejected.audio(0), RATE)) == 3 * RATE
    step = read_step(kept.path)
    assert step is not None
    assert (step.rows_in, step.rows_out) == ({"a": 2, "b": 1}, {"a": 2})
    assert step.notes["rejected by snr"] == "1: b 1"
    assert (step.name, step.options["off"], step.options["max_silence"]) == ("clean", [], 0.9)


def test_parts_of_recordings_stay_parts_though_those_that_are_left_start_at_nought(tmp_path: Path) -> None:
    long = np.concatenate([bursts(0), noise(2)])
    soundfile.write(tmp_path / "long.wav", long, RATE, "FLOAT")
    rows = [{"audio": "long.wav", "offset": offset, "duration": 2.0} for offset in (None, 2.0)]
    kept, rejected = cleaned(write(tmp_path, rows))
    assert rejected.keys() == {"m/1"}
    assert len(kept.waveform(0, RATE)) == 2 * RATE


def test_unreadable_audio_is_refused_or_rejected(tmp_path: Path, fails: Callable[..., str]) -> None:
    manifest = write(tmp_path, [{}, {}, {}, {}, {"duration": 9.0}])
    (tmp_path / "wav" / "m1.wav").write_bytes(b"broken")
    soundfile.write(tmp_path / "wav" / "m2.wav", np.zeros(0), RATE)
    (tmp_path / "wav" / "m3.wav").unlink()
    out = tmp_path / "kept.parquet"
    said = fails(main, ["corpus", "clean", str(manifest), "--out", str(out), "--workers", "1"])
    assert "4 of 5 rows are bad, nothing was written" in said
    assert len((tmp_path / "kept.bad.csv").read_text().splitlines()) == 5
    assert not list(tmp_path.glob("kept*.parquet"))
    _, rejected = cleaned(manifest, skip_bad=True)
    assert {row["rule"] for row in rejected.values()} == {"unreadable"}
    reasons = [rejected[f"m/{i}"]["reason"] for i in (1, 2, 3, 4)]
    for part, reason in zip(("not a readable", "no", "missing", "expected 9 s, found 2.00 s"), reasons, strict=True):
        assert part in reason
        assert "m.parquet: row" in reason


def test_what_is_measured_already_is_judged_by_other_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stt.curation.steps.clean.SHARD_SECONDS", 2.0)
    manifest = write(tmp_path, [{}, {}, {}])
    (tmp_path / "wav" / "m1.wav").write_bytes(b"broken")
    with pytest.raises(InputError, match="1 of 3 rows are bad"):
        cleaned(manifest)
    for number in (0, 2):
        (tmp_path / "wav" / f"m{number}.wav").unlink()  # so that they cannot be measured again
    kept, rejected = cleaned(manifest, skip_bad=True, max_seconds=20)
    assert kept.table["id"].to_pylist() == ["m/0", "m/2"]
    assert rejected["m/1"]["rule"] == "unreadable"
    step = read_step(kept.path)
    assert step is not None
    assert (step.options["skip_bad"], step.options["max_seconds"]) == (True, 20)


def test_the_rejected_rows_of_other_limits_do_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = write(tmp_path, [{}, SPOILED["duration"]])
    with monkeypatch.context() as patched:
        patched.setattr("stt.curation.steps.clean.kept_table", lambda *_: 1 / 0)  # killed between the two manifests
        with pytest.raises(ZeroDivisionError):
            cleaned(manifest)
    assert (tmp_path / "out" / "kept.rejected.parquet").exists()
    kept, rejected = cleaned(manifest, min_seconds=0.1)
    assert (len(kept), rejected) == (2, {})


def test_audio_is_not_read_where_no_rule_asks_for_it(tmp_path: Path) -> None:
    manifest = write(tmp_path, [{}, {}, SPOILED["rate"]])
    for path in (tmp_path / "wav").iterdir():
        path.unlink()
    assert broken(manifest, off=["silence", "level", "clipping", "snr", "same_audio"]) == {"m/2": "rate"}


def test_a_trial_prints_examples_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = write(tmp_path, [{}, SPOILED["snr"], {}])
    before = sorted(tmp_path.iterdir())
    assert run(read_manifest(manifest), out=tmp_path / "o.parquet", engine=Threads(), dry_run=3) is None
    said = capsys.readouterr().out
    for line in ("snr: 1 of 3 rows", "  m/1 (b, wav/m1.wav)", "nothing was written"):
        assert line in said
    assert sorted(tmp_path.iterdir()) == before


def test_only_a_trial_does_without_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fails: Callable[..., str]
) -> None:
    command = ["corpus", "clean", str(write(tmp_path, [{}, SPOILED["snr"], {}])), "--workers", "1"]
    assert "give --out" in fails(main, command)
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--dry-run", "3"])
    assert stopped.value.code == 0
    assert "nothing was written" in capsys.readouterr().out


def test_nothing_is_overwritten_and_a_finished_command_is_not_done_again(tmp_path: Path) -> None:
    manifest = write(tmp_path, [{}, SPOILED["snr"], {}])
    kept, _ = cleaned(manifest)
    content = kept.path.read_bytes()
    assert cleaned(manifest)[0].path.read_bytes() == content
    with pytest.raises(InputError, match=r"kept\.parquet exists already"):
        cleaned(manifest, min_snr=-3)
    kept.path.unlink()
    with pytest.raises(InputError, match=r"kept\.rejected\.parquet exists already"):
        cleaned(manifest, min_snr=-3)


def test_the_name_of_the_manifest_is_checked_first(tmp_path: Path) -> None:
    for name in ("plain", "kept.csv"):
        with pytest.raises(InputError, match=r"whose name ends in \.parquet"):
            run(read_manifest(write(tmp_path, [{}])), out=tmp_path / name, engine=Threads())


def test_what_is_kept_of_rejected_rows_does_not_say_that_it_is_rejected(tmp_path: Path) -> None:
    cleaned(write(tmp_path, [{}, SPOILED["snr"], {}]))
    kept, _ = cleaned(rejected_path(tmp_path / "out" / "kept.parquet"), name="again", min_snr=-50)
    assert not {"rule", "figure", "limit", "reason"} & set(kept.table.column_names)


def test_speech_without_texts_and_speakers_can_be_cleaned(tmp_path: Path) -> None:
    manifest = write(tmp_path, [{"text": "", "speaker": ""}, {"text": "", "speaker": ""}])
    (tmp_path / "t.csv").write_text(f"audio,text,duration,domain,speaker\n{tmp_path}/wav/m0.wav,,2,x,\n")
    assert broken(manifest, test=[tmp_path / "t.csv"]) == {}


def test_a_cer_that_was_measured_before_can_be_the_limit(tmp_path: Path) -> None:
    manifest = write(tmp_path, [{"cer": 0.1}, {"cer": 0.5}, {"cer": None}])
    assert broken(manifest, max_cer=0.1) == {"m/1": "cer"}
    with pytest.raises(InputError, match="--max-cer needs --ckpt"):
        cleaned(write(tmp_path, [{}], "without"), max_cer=0.1)


def test_if_no_row_would_be_kept_nothing_is_written(tmp_path: Path) -> None:
    manifest = write(tmp_path, [{}, {}])
    with pytest.raises(InputError, match="no row would be kept\n  rejected by duration: 2: a 1, b 1"):
        cleaned(manifest, min_seconds=5)
    assert not list((tmp_path / "out").glob("*.parquet"))


@pytest.mark.parametrize(
    "options",
    [
        {"min_seconds": -1},
        {"max_silence": 1.5},
        {"max_silence": float("nan")},
        {"min_snr": float("-inf")},
        {"max_same_audio": 0},
        {"max_cer": -1},
        {"min_seconds": 3, "max_seconds": 2},
        {"off": ["loudness"]},
        {"off": ["unreadable"]},
        {"dry_run": -1},
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--"):
        cleaned(write(tmp_path, [{}]), **options)


def test_the_step_is_found_and_its_help_names_all_rules() -> None:
    assert steps()["clean"] is run
    assert all(name in (run.__doc__ or "") for name in NAMES)
