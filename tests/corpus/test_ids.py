import numpy as np
import pyarrow as pa
import pytest

from stt.corpus.ids import first_duplicate, hashes


def column(texts: list[str | None], cut: int) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(texts[:cut], pa.large_string()), pa.array(texts[cut:], pa.large_string())])


def test_hashes_do_not_depend_on_chunks_or_encoding() -> None:
    texts = ["", "a", None, "восемь байт", "12345678", "123456789", "x" * 1000, "a\0", "a"]
    whole = hashes(column(texts, 0))
    for cut in range(1, len(texts)):
        np.testing.assert_array_equal(hashes(column(texts, cut)), whole)
    np.testing.assert_array_equal(hashes(column(texts, 3).slice(2, 5)), whole[2:7])
    np.testing.assert_array_equal(hashes(pa.chunked_array([pa.array(texts, pa.string())])), whole)
    np.testing.assert_array_equal(hashes(pa.chunked_array([pa.array(texts)]).dictionary_encode()), whole)
    assert whole[0] == whole[2]  # null counts as empty
    assert len(np.unique(whole)) == len(texts) - 2  # and "a" occurs twice


def test_hashes_never_change_because_checkpoints_store_them() -> None:
    values = hashes(pa.chunked_array([["corpus/1.wav", "раз два три"]]))
    assert [f"{value:016x}" for value in values] == ["16219122a4e614ee", "1cbf800df02b954b"]


def test_a_million_similar_strings_have_distinct_and_uniform_hashes() -> None:
    texts = pa.chunked_array([[f"clips/{i:07d}.wav" for i in range(1_000_000)]])
    values = hashes(texts)
    assert len(np.unique(values)) == 1_000_000
    bits = np.unpackbits(values[:100_000].view(np.uint8)).reshape(-1, 64).mean(axis=0)
    np.testing.assert_allclose(bits, 0.5, atol=0.01)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [([3, 1, 2], None), ([], None), ([5, 1, 5], (0, 2)), ([9, 4, 4, 9], (1, 2)), ([1, 1, 1], (0, 1))],
)
def test_the_first_duplicate_is_found(keys: list[int], expected: tuple[int, int] | None) -> None:
    assert first_duplicate(np.array(keys, np.int64)) == expected
