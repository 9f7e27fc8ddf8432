import numpy as np
import pytest

from stt.errors import InputError
from stt.reports.convergence import Convergence, fit_convergence


@pytest.mark.parametrize("curve", [Convergence(0.05, 1.0, 1.5), Convergence(0.2, 0.1, 3.0), Convergence(0.0, 5.0, 1.0)])
def test_a_curve_of_the_fitted_shape_is_extrapolated(curve: Convergence) -> None:
    times = np.linspace(0.25, 10, 40)
    early = times[times <= 2.5]
    fitted = fit_convergence(early.tolist(), curve.at(early).tolist())
    np.testing.assert_allclose(fitted.at(times), curve.at(times), atol=0.01)


def test_noise_changes_the_extrapolation_only_slightly() -> None:
    curve, times = Convergence(0.08, 0.5, 2.0), np.linspace(0.25, 10, 40)
    noisy = curve.at(times) * np.random.default_rng(0).normal(1, 0.03, 40)
    assert fit_convergence(times[:16].tolist(), noisy[:16].tolist()).at(10.0) == pytest.approx(curve.at(10.0), abs=0.03)


def test_error_rates_above_one_and_a_flat_start_are_fitted() -> None:
    fitted = fit_convergence([1, 2, 3, 4], [1.2, 1.0, 1.0, 0.9])
    assert 0 <= float(fitted.at(100.0)) < 0.9


def test_too_few_points_raise() -> None:
    for times in ([1.0, 2.0], [0.0, 1.0, 2.0]):
        with pytest.raises(InputError, match="points"):
            fit_convergence(times, [0.5] * len(times))
