from pathlib import Path

import pytest

from stt.errors import InputError
from stt.ladder.steps import read_ladder


def test_the_ladder_goes_from_deep_speech_to_the_networks_of_the_article() -> None:
    names = [step.name for step in read_ladder()]
    assert [names[0], *names[-3:]] == ["deep_speech_2", "small", "large", "tiny"]
    assert [step.name for step in read_ladder(names=["small", "bpe"])] == ["bpe", "small"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: b", "not a list"),
        ("- name: a", "step 1"),
        ("- {name: a, change: b, config: configs/none.yaml}", "configs/none.yaml"),
        ("- {name: a, change: b, config: configs/model/tiny.yaml, color: red}", "step 1"),
    ],
)
def test_a_ladder_that_is_none_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "ladder.yaml").write_text(text)
    with pytest.raises(InputError, match=said):
        read_ladder(tmp_path / "ladder.yaml")


def test_a_step_that_does_not_exist_is_named() -> None:
    with pytest.raises(InputError, match="tinny"):
        read_ladder(names=["tinny"])
