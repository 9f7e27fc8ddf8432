import pytest
from ablation import Variant
from ablation_report import TrainedVariant, comparison

MEASURED = {
    "parameters": 1000,
    "multiply_adds_per_audio_second": 5,
    "audio_seconds_per_second": 7.0,
    "tokens_per_frame": 0.2,
    "epochs": 4,
    "batches_per_epoch": 3,
    "device": "cpu",
    "core_seconds_per_step": 0.5,
    "budget_seconds": None,
    "commit": None,
}


def trained(name: str, hours: list[float], cers: list[float]) -> TrainedVariant:
    return TrainedVariant(Variant(name, "", ""), MEASURED, hours, cers)


def test_times_are_interpolated_between_validations() -> None:
    one = trained("a", [1.0, 2.0, 3.0], [0.8, 0.4, 0.5])
    assert one.hours_to(0.9) == pytest.approx(0.5)
    assert one.hours_to(0.6) == pytest.approx(1.5)
    assert one.hours_to(0.3) is None
    assert one.tokens_per_blank == pytest.approx(0.25)


def test_cers_that_the_first_never_reached_give_a_lower_bound() -> None:
    slow = trained("slow", [5.0, 10.0], [1.0, 0.8])
    fast = trained("fast", [0.5, 1.0], [0.8, 0.2])
    speed_ups = comparison([slow, fast])[1]["sooner_than_the_first"]
    assert speed_ups["0.8"] == {"factor": 20.0, "at_least": False}
    assert speed_ups["0.2"] == {"factor": 10.0, "at_least": True}
    assert "0.1" not in speed_ups
    assert comparison([slow, fast])[0]["sooner_than_the_first"]["0.8"]["factor"] == 1.0
