from dataclasses import replace

import matplotlib as mpl
import pytest

from stt.metrics.recognized import RecognizedUtterance
from stt.reports.generalization import cer, gaps, plot_by_level, plot_gaps

mpl.use("agg")
ONE = RecognizedUtterance(1, "a.wav", "radio", "/x/a.wav", 0.0, 1.5, 30.0, "abcd", "abcd", 0.9)


def domain(name: str, levels: list[float]) -> list[RecognizedUtterance]:
    """Create utterances with one of four characters wrong if their level range is below 20 dB."""
    return [
        replace(ONE, domain=name, level_range=level, hypothesis="abcd" if level > 20 else "abcx") for level in levels
    ]


def test_gaps_are_unweighted_means_over_domains() -> None:
    found = gaps(domain("radio", [30.0] * 90) + domain("calls", [10.0] * 3), ["radio"])
    assert found.by_domain == {"calls": 0.25, "radio": 0.0}
    assert (found.in_domain, found.out_of_domain, found.spread) == (0.0, 0.25, 0.25)


def test_clear_and_noisy_are_thirds_of_each_domain() -> None:
    found = gaps(domain("radio", [10, 40, 30]) + domain("calls", [5, 6, 7, 31, 32, 33]), ["radio", "calls"])
    assert (found.noisy, found.clear) == (0.25, 0.0)
    few = gaps(domain("radio", [10, 40]), ["radio"])
    assert (few.noisy, few.clear, few.out_of_domain) == (None, None, None)


def test_the_cer_of_several_utterances_is_edits_over_characters() -> None:
    assert cer([replace(ONE, hypothesis=""), replace(ONE, reference="ab" * 6, hypothesis="ab" * 6)]) == 0.25
    assert cer([]) == 0.0


def test_plots_label_their_axes() -> None:
    items = domain("radio", [10, 20, 30, 40])
    figure = plot_gaps({"a": gaps(items, []), "b": gaps(items, ["radio"])})
    assert "%" in figure.axes[0].get_ylabel()
    axis = plot_by_level({"a": items}, bins=4).axes[0]
    assert "dB" in axis.get_xlabel()
    assert list(axis.lines[0].get_xdata()) == [10, 20, 30, 40]
    assert list(axis.lines[0].get_ydata()) == pytest.approx([25, 25, 0, 0])
