"""Extrapolation of a training's error-rate curve."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import OptimizeWarning, curve_fit

from stt.errors import InputError

MIN_POINTS = 3


@dataclass(frozen=True)
class Convergence:
    """An L-shaped curve: error(t) = floor + (1 - floor) / (1 + (t / knee) ** steepness).

    It starts at an error rate of 1, bends at the knee (in the unit of time of the fit) and approaches the floor.
    Source: the convergence curves in (Veysov, 2020, "Towards an ImageNet Moment for Speech-to-Text") have this shape.
    """

    floor: float
    knee: float
    steepness: float

    def at(self, time: float | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the error rate at a time."""
        return _curve(np.asarray(time, dtype=np.float64), self.floor, self.knee, self.steepness)


def fit_convergence(times: Sequence[float], errors: Sequence[float]) -> Convergence:
    """Fit the curve to error rates (0..1), by relative error, so that the tail counts as much as the start.

    Raises:
        InputError: there are fewer than three points, or times are not positive.
    """
    time, error = np.asarray(times, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if len(time) < MIN_POINTS or time.min() <= 0:
        raise InputError(f"a convergence curve needs at least {MIN_POINTS} points at positive times, not {len(time)}")
    error = error.clip(1e-6, 1.0)  # insertions can raise it above 1, which this curve cannot represent
    best: tuple[float, npt.NDArray[np.float64]] | None = None
    for knee in np.geomspace(time.min() / 10, time.max() * 10, 7):  # the fit only finds the nearest local minimum
        start = (error.min() / 2, knee, 1.0)
        bounds = ([0.0, time.min() / 100, 0.1], [max(error.min(), 1e-5), time.max() * 100, 8.0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OptimizeWarning)  # with as many points as parameters there is no covariance
            fitted, _ = curve_fit(_curve, time, error, p0=start, bounds=bounds, sigma=error, maxfev=10_000)
        residual = float(np.square((_curve(time, *fitted) - error) / error).sum())
        if best is None or residual < best[0]:
            best = (residual, fitted)
    assert best is not None
    return Convergence(*(float(value) for value in best[1]))


def _curve(time: npt.NDArray[np.float64], floor: float, knee: float, steepness: float) -> npt.NDArray[np.float64]:
    return floor + (1 - floor) / (1 + (time / knee) ** steepness)
