"""Decisions as people make them in Label Studio; both exports were written by Label Studio 1.23.2."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from stt.cli.main import main
from stt.corpus.manifest import Manifest, read_manifest, write_manifest
from stt.corpus.provenance import read_step
from tests.corpus.exporters.conftest import RATE
from tests.curation.review.manifests import write_rejected

EXPORTED = Path(__file__).with_name("exported.json")
EXPORTED_MIN = Path(__file__).with_name("exported_min.json")


@pytest.fixture
def rejected(tmp_path: Path) -> Manifest:
    return write_rejected(tmp_path / "corpus")


def arguments(manifest: Manifest, *exports: Path) -> list[str]:
    decisions = [part for path in exports for part in ("--decisions", str(path))]
    return [
        "corpus",
        "decide",
        str(manifest.path),
        *decisions,
        "--out",
        str(manifest.path.parent / "m.decided.parquet"),
    ]


def decide(manifest: Manifest, *exports: Path) -> tuple[Manifest, dict[str, dict[str, str]]]:
    """Return what is kept, and the list of decisions by id."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments(manifest, *exports))
    assert stopped.value.code == 0
    out = manifest.path.parent / "m.decided.parquet"
    with out.with_suffix(".decisions.csv").open(newline="") as file:
        return read_manifest(out), {row["id"]: row for row in csv.DictReader(file)}


def edited(tmp_path: Path, edit: Callable[[list[Any]], object]) -> Path:
    """Write the export with an edit of its tasks, sorted by utterance."""
    tasks = sorted(json.loads(EXPORTED.read_text()), key=lambda task: task["data"]["utterance"])
    edit(tasks)
    path = tmp_path / "edited.json"
    path.write_text(json.dumps(tasks))
    return path


@pytest.mark.parametrize("export", [EXPORTED, EXPORTED_MIN], ids=["JSON", "JSON_MIN"])
def test_kept_utterances_keep_their_ids_and_get_their_mended_texts(
    export: Path, rejected: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, listed = decide(rejected, export)
    rows = {row["id"]: row for row in kept.table.to_pylist()}
    assert {name: row["text"] for name, row in rows.items()} == {"u1": "one two too", "u3": "four five"}
    assert {name: row["labelled_by"] for name, row in rows.items()} == {"u1": "human", "u3": None}
    assert rows["u1"]["cer"] == pytest.approx(4 / 11)  # of the hypothesis "one too"
    assert not {"rule", "figure", "limit"} & set(kept.table.column_names)
    assert kept.normalizer == "plain-1"
    assert all(len(kept.waveform(row, RATE)) == RATE // 2 for row in range(len(kept)))
    outcomes = {name: row["outcome"] for name, row in listed.items()}
    undecided = {"u4": "undecided", "u6": "undecided"}
    assert outcomes == {"u1": "mended", "u2": "rejected", "u3": "kept", "u5": "rejected", **undecided}
    assert [name for name, row in listed.items() if row["contradicted"]] == ["u5"]
    assert "contradictory: ground truth counts, else the last: 1 utterances: u5" in capsys.readouterr().out


def test_the_history_names_the_export_and_counts_what_is_left_out(rejected: Manifest) -> None:
    kept, _ = decide(rejected, EXPORTED)
    step = read_step(kept.path)
    assert step is not None
    assert [one.name for one in step.inputs] == ["m.rejected.parquet", "exported.json"]
    assert step.rows_in == {"calls": 3, "radio": 3}
    assert step.rows_out == {"calls": 2}
    assert dict(step.skipped) == {"rejected": 2, "undecided: skipped": 1, "undecided: no annotation": 1}
    assert step.notes["mended"] == 1


def test_the_result_is_merged_with_what_was_kept_before(rejected: Manifest) -> None:
    decided, _ = decide(rejected, EXPORTED)
    folder = rejected.path.parent
    table = rejected.table.slice(0, 1).drop_columns(["rule", "figure", "limit", "hypothesis"])
    index = table.column_names.index("id")
    write_manifest(table.set_column(index, "id", [["k1"]]), folder / "m.parquet", "plain-1")
    out = folder / "all.parquet"
    with pytest.raises(SystemExit) as stopped:
        main(["corpus", "merge", str(folder / "m.parquet"), str(decided.path), "--out", str(out)])
    assert stopped.value.code == 0
    merged = read_manifest(out)
    assert merged.table["id"].to_pylist() == ["k1", "u1", "u3"]
    assert merged.table["labelled_by"].to_pylist() == [None, "human", None]
    assert all(len(merged.waveform(row, RATE)) == RATE // 2 for row in range(3))


def test_ground_truth_wins_over_later_annotations(rejected: Manifest, tmp_path: Path) -> None:
    def mark(tasks: list[Any]) -> None:
        first = min(tasks[4]["annotations"], key=lambda one: one["updated_at"])
        first["ground_truth"] = True

    kept, listed = decide(rejected, edited(tmp_path, mark))
    assert "u5" in kept.table["id"].to_pylist()
    assert (listed["u5"]["outcome"], listed["u5"]["contradicted"]) == ("kept", "yes")


def test_people_who_agree_do_not_contradict_each_other(rejected: Manifest, tmp_path: Path) -> None:
    def agree(tasks: list[Any]) -> None:
        again = json.loads(json.dumps(tasks[0]["annotations"][0]))
        again["id"] += 1
        again["result"][-1]["value"]["text"] = ["one two, too"]  # the same when it is normalized
        tasks[0]["annotations"].append(again)

    _, listed = decide(rejected, edited(tmp_path, agree))
    assert (listed["u1"]["after"], listed["u1"]["contradicted"]) == ("one two too", "")


@pytest.mark.parametrize(("text", "reason"), [("?!", "empty text"), ("", "empty text")])
def test_a_text_that_cannot_be_used_leaves_the_utterance_undecided(
    text: str, reason: str, rejected: Manifest, tmp_path: Path
) -> None:
    def mend(tasks: list[Any]) -> None:
        tasks[0]["annotations"][0]["result"][-1]["value"]["text"] = [text]

    kept, listed = decide(rejected, edited(tmp_path, mend))
    assert (listed["u1"]["outcome"], listed["u1"]["reason"]) == ("undecided", reason)
    assert "u1" not in kept.table["id"].to_pylist()


def test_an_utterance_without_a_text_is_not_kept_without_one(rejected: Manifest, tmp_path: Path) -> None:
    rows = [row | ({"text": ""} if row["id"] == "u3" else {}) for row in rejected.table.to_pylist()]
    write_manifest(pa.Table.from_pylist(rows), rejected.path, rejected.normalizer)

    def seen_empty(tasks: list[Any]) -> None:
        tasks[2]["data"]["text"] = ""
        tasks[2]["annotations"][0]["result"] = tasks[2]["annotations"][0]["result"][:1]  # keep, without a text

    kept, listed = decide(read_manifest(rejected.path), edited(tmp_path, seen_empty))
    assert (listed["u3"]["outcome"], listed["u3"]["reason"]) == ("undecided", "empty text")
    assert "u3" not in kept.table["id"].to_pylist()


def test_an_annotation_without_a_choice_decides_nothing(rejected: Manifest, tmp_path: Path) -> None:
    def clear(tasks: list[Any]) -> None:
        tasks[0]["annotations"][0]["result"] = []

    _, listed = decide(rejected, edited(tmp_path, clear))
    assert (listed["u1"]["outcome"], listed["u1"]["reason"]) == ("undecided", "neither kept nor rejected")


def test_a_person_keeps_the_text_that_was_seen_even_if_it_has_changed_since(rejected: Manifest, tmp_path: Path) -> None:
    def other(tasks: list[Any]) -> None:
        tasks[2]["data"]["text"] = "four or five"
        tasks[2]["annotations"][0]["result"] = tasks[2]["annotations"][0]["result"][:1]  # without a text

    kept, _ = decide(rejected, edited(tmp_path, other))
    assert kept.text(1) == "four or five"
    assert kept.value(1, "labelled_by") == "human"


def test_utterances_that_are_not_in_the_manifest_are_counted_and_named(
    rejected: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def rename(tasks: list[Any]) -> None:
        tasks[0]["data"]["utterance"] = "elsewhere"

    _, listed = decide(rejected, edited(tmp_path, rename))
    assert "not in the manifest: 1 utterances: elsewhere" in capsys.readouterr().out
    assert listed["elsewhere"]["outcome"] == "not in the manifest"


def test_decisions_of_several_exports_count_together(rejected: Manifest, tmp_path: Path) -> None:
    def half(tasks: list[Any]) -> None:
        del tasks[1:]

    kept, listed = decide(rejected, edited(tmp_path, half), EXPORTED_MIN)
    assert kept.table["id"].to_pylist() == ["u1", "u3"]
    assert listed["u1"]["contradicted"] == ""


def test_a_machines_label_that_a_person_mends_is_a_humans(rejected: Manifest) -> None:
    table = rejected.table.append_column("labelled_by", [["machine"] * len(rejected)])
    write_manifest(table, rejected.path, "plain-1")
    kept, _ = decide(read_manifest(rejected.path), EXPORTED)
    assert kept.table["labelled_by"].to_pylist() == ["human", "machine"]


def test_what_is_kept_of_a_manifest_with_offsets_are_windows_still(rejected: Manifest) -> None:
    index = rejected.table.column_names.index("offset")
    table = rejected.table.set_column(index, "offset", [[None, None, None, None, 0.25, 0.25]])
    durations = rejected.table.column_names.index("duration")
    write_manifest(table.set_column(durations, "duration", [[0.25] * 6]), rejected.path, "plain-1")
    kept, _ = decide(read_manifest(rejected.path), EXPORTED)
    assert kept.table["id"].to_pylist() == ["u1", "u3"]
    assert all(len(kept.waveform(row, RATE)) == RATE // 4 for row in range(len(kept)))


WRONG = {
    "nothing": ("", "not JSON"),
    "no JSON": ("id,decision\nu1,keep\n", "not JSON"),
    "half a character": ('[{"utterance": "\\ud83d", "text": "x"}]', "not JSON"),
    "an object": ("{}", "no list of tasks"),
    "an empty list": ("[]", "no list of tasks"),
    "no tasks": ('["a"]', "task 1 is not an object"),
    "another project": (
        '[{"id": 1, "data": {"image": "a.png"}, "annotations": []}]',
        "task 1 has no utterance and text",
    ),
    "another project, JSON_MIN": ('[{"id": 1, "image": "a.png", "annotation_id": 3}]', "task 1 has no utterance"),
    "no annotations": ('[{"data": {"utterance": "u1", "text": "x"}}]', "task 1 has no list of annotations"),
    "another manifest": ('[{"data": {"utterance": "x", "text": "x"}, "annotations": []}]', "no utterance is kept"),
}


@pytest.mark.parametrize("kind", list(WRONG))
def test_what_is_no_such_export_is_one_sentence(
    kind: str, rejected: Manifest, tmp_path: Path, fails: Callable[..., str]
) -> None:
    content, said = WRONG[kind]
    path = tmp_path / "wrong.json"
    path.write_text(content)
    assert said in fails(main, arguments(rejected, path))
    assert not (rejected.path.parent / "m.decided.parquet").exists()


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            lambda one: one["result"][0]["value"].update(choices=["maybe"]),
            "the decision is 'maybe', not keep or reject",
        ),
        (lambda one: one["result"][0]["value"].update(choices=["keep", "reject"]), "decision has 2 values"),
        (lambda one: one["result"][1]["value"].update(text=[7]), "mended has 1 values"),
        (lambda one: one.update(updated_at="yesterday"), "no time at which it was changed ('yesterday')"),
        (lambda one: one.update(result=None), "no list of result"),
        (lambda one: one.update(result=["x"]), "a result is not an object"),
    ],
)
def test_a_damaged_annotation_is_named(
    edit: Callable[[Any], object], said: str, rejected: Manifest, tmp_path: Path, fails: Callable[..., str]
) -> None:
    path = edited(tmp_path, lambda tasks: edit(tasks[0]["annotations"][0]))
    assert f"{path}: task 1" in (message := fails(main, arguments(rejected, path)))
    assert said in message


def test_none_of_the_manifests_utterances_is_an_error(
    rejected: Manifest, tmp_path: Path, fails: Callable[..., str]
) -> None:
    def rename(tasks: list[Any]) -> None:
        for i, task in enumerate(tasks):
            task["data"]["utterance"] = f"other {i}"

    said = fails(main, arguments(rejected, edited(tmp_path, rename)))
    assert "none of its 5 utterances, such as other 0, is in" in said


def test_where_everything_is_rejected_the_list_says_so_and_there_is_no_manifest(
    rejected: Manifest, tmp_path: Path, fails: Callable[..., str]
) -> None:
    said = fails(main, arguments(rejected, edited(tmp_path, lambda tasks: tasks.__setitem__(slice(None), tasks[1:2]))))
    assert "no utterance is kept, so no manifest was written" in said
    assert "u2,rejected" in (rejected.path.parent / "m.decided.decisions.csv").read_text()
