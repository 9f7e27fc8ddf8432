import numpy as np

from stt.sampling.observations import Observations, merge, pack, unpack

SAME = np.zeros(10, np.int32)  # hashes of texts


def observed(rows: list[int], cers: list[float], texts: dict[int, str] | None = None) -> Observations:
    values = np.full((len(rows), 4), np.nan, np.float32)
    values[:, 0] = cers
    return Observations(np.array(rows, np.int64), values, texts or {})


def test_a_row_seen_twice_gets_the_mean_and_the_last_text() -> None:
    whole = merge([observed([7, 3], [0.2, 0.5], {7: "old"}), observed([7, 9], [0.4, np.nan], {7: "new"})])
    assert whole.rows.tolist() == [3, 7, 9]
    np.testing.assert_allclose(whole.cers, [0.5, 0.3, np.nan], rtol=1e-6)
    assert whole.hypotheses == {7: "new"}
    assert np.isnan(whole.losses).all()


def test_observations_of_batches_survive_a_checkpoint_one_by_one() -> None:
    parts = {(4, 1): observed([7, 3], [0.2, 0.5], {7: "x"}), (4, 0): observed([], []), (5, 0): observed([7], [0.4])}
    keys = 100 + np.arange(10)
    again = unpack(pack(parts, keys, SAME), None, SAME)
    assert sorted(again) == [(4, 0), (4, 1), (5, 0)]
    for key, part in parts.items():
        np.testing.assert_array_equal(again[key].rows, part.rows)
        np.testing.assert_array_equal(again[key].values, part.values)
        assert again[key].hypotheses == part.hypotheses
    assert unpack(pack({}, keys, SAME), None, SAME) == {}


def test_in_another_manifest_rows_are_found_by_their_keys_and_those_that_are_gone_are_dropped() -> None:
    keys = 100 + np.arange(10)
    state = pack({(0, 0): observed([7, 3], [0.2, 0.5], {7: "x", 3: "y"})}, keys, SAME)
    part = unpack(state, lambda wanted: np.where(wanted == 107, 2, -1), SAME)[0, 0]
    assert part.rows.tolist() == [2]
    np.testing.assert_allclose(part.cers, [0.2], rtol=1e-6)
    assert part.hypotheses == {2: "x"}


def test_what_was_observed_of_a_label_is_dropped_where_the_text_was_mended() -> None:
    values = np.array([[0.2, 1.0, 5.0, 1.0], [0.5, 2.0, 5.0, 1.0]], np.float32)
    state = pack({(0, 0): Observations(np.array([7, 3]), values)}, np.arange(10), SAME)
    mended = SAME.copy()
    mended[3] = 1
    part = unpack(state, None, mended)[0, 0]
    np.testing.assert_allclose(part.values, [[0.2, 1, 5, 1], [0.5, np.nan, np.nan, 1]])
