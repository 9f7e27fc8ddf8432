from pathlib import Path

import pytest

from stt.corpus.texts import Text, read_texts
from stt.errors import InputError


def test_lines_of_text_files_and_texts_of_manifests_are_read_with_their_places(tones: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("first\n\nthird\n")
    texts = list(read_texts([tmp_path / "a.txt", tones]))
    assert texts[:2] == [Text(f"{tmp_path / 'a.txt'}:1", "first"), Text(f"{tmp_path / 'a.txt'}:3", "third")]
    assert texts[2].where == f"{tones}: row 1"
    assert len(texts) == 2 + len(tones.read_text().splitlines())


def test_a_line_that_is_not_text_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"good \xc3\xa4\nbad \xff\n")
    with pytest.raises(InputError, match=r"a\.txt:2: not UTF-8"):
        list(read_texts([tmp_path / "a.txt"]))
    with pytest.raises(InputError, match="no such text file"):
        list(read_texts([tmp_path / "b.txt"]))
