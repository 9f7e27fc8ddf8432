import numpy as np

from stt.sampling.observations import Observations, merge, pack, unpack

SAME = np.zeros(10, np.int32)  # hashes of texts


def cers_only(rows: list[int], cers: list[float], texts: dict[int, str] | None = None) -> Observations:
    values = np.full((len(rows), 4), np.nan, np.float32)
    values[:, 0] = cers
    return Observations(np.array(rows, np.int64), values, texts or {})


def test_a_repeated_row_gets_the_mean_and_the_last_hypothesis() -> None:
    merged = merge([cers_only([7, 3], [0.2, 0.5], {7: "old"}), cers_only([7, 9], [0.4, np.nan], {7: "new"})])
    assert merged.rows.tolist() == [3, 7, 9]
    np.testing.assert_allclose(merged.cers, [0.5, 0.3, np.nan], rtol=1e-6)
    assert merged.hypotheses == {7: "new"}
    assert np.isnan(merged.losses).all()


def test_batches_of_observations_survive_packing() -> None:
    parts = {(4, 1): cers_only([7, 3], [0.2, 0.5], {7: "x"}), (4, 0): cers_only([], []), (5, 0): cers_only([7], [0.4])}
    keys = 100 + np.arange(10)
    restored = unpack(pack(parts, keys, SAME), None, SAME)
    assert sorted(restored) == [(4, 0), (4, 1), (5, 0)]
    for key, part in parts.items():
        np.testing.assert_array_equal(restored[key].rows, part.rows)
        np.testing.assert_array_equal(restored[key].values, part.values)
        assert restored[key].hypotheses == part.hypotheses
    assert unpack(pack({}, keys, SAME), None, SAME) == {}


def test_rows_are_found_by_key_in_another_manifest_and_missing_ones_dropped() -> None:
    keys = 100 + np.arange(10)
    state = pack({(0, 0): cers_only([7, 3], [0.2, 0.5], {7: "x", 3: "y"})}, keys, SAME)
    part = unpack(state, lambda wanted: np.where(wanted == 107, 2, -1), SAME)[0, 0]
    assert part.rows.tolist() == [2]
    np.testing.assert_allclose(part.cers, [0.2], rtol=1e-6)
    assert part.hypotheses == {2: "x"}


def test_label_losses_are_dropped_if_the_text_was_corrected() -> None:
    values = np.array([[0.2, 1.0, 5.0, 1.0], [0.5, 2.0, 5.0, 1.0]], np.float32)
    state = pack({(0, 0): Observations(np.array([7, 3]), values)}, np.arange(10), SAME)
    corrected = SAME.copy()
    corrected[3] = 1
    part = unpack(state, None, corrected)[0, 0]
    np.testing.assert_allclose(part.values, [[0.2, 1, 5, 1], [0.5, np.nan, np.nan, 1]])
