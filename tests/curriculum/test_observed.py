import numpy as np

from stt.curriculum.observed import Observed, merge


def observed(rows: list[int], cers: list[float], texts: dict[int, str] | None = None) -> Observed:
    values = np.full((len(rows), 3), np.nan, np.float32)
    values[:, 0] = cers
    return Observed(np.array(rows, np.int64), values, texts or {})


def test_a_row_seen_twice_gets_the_mean_and_the_last_text() -> None:
    whole = merge([observed([7, 3], [0.2, 0.5], {7: "old"}), observed([7, 9], [0.4, np.nan], {7: "new"})])
    assert whole.rows.tolist() == [3, 7, 9]
    np.testing.assert_allclose(whole.cers, [0.5, 0.3, np.nan], rtol=1e-6)
    assert whole.hypotheses == {7: "new"}
    assert np.isnan(whole.losses).all()


def test_rows_are_found_in_any_order_and_the_unseen_are_nan() -> None:
    whole = merge([observed([5, 1, 8], [0.5, 0.1, 0.8])])
    np.testing.assert_allclose(whole.of(np.array([8, 2, 5, 99])).cers, [0.8, np.nan, 0.5, np.nan], rtol=1e-6)
    assert np.isnan(Observed.nothing().of(np.array([1, 2])).cers).all()
