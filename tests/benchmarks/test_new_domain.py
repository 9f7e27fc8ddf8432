from typing import Any

from new_domain import summarize


def run(seed: int, sampling: str, new: float, step: int | None) -> dict[str, Any]:
    return {"seed": seed, "labels": "clean", "sampling": sampling, "new": new, "steps_to": {"0.2": 40, "0.14": step}}


def test_the_summary_counts_steps_only_to_error_rates_that_every_seed_reached() -> None:
    runs = [run(0, "UniformSampler", 0.1, 80), run(0, "CurriculumSampler", 0.2, 60)]
    runs += [run(1, "UniformSampler", 0.2, None), run(1, "CurriculumSampler", 0.4, 100)]
    summary = summarize(runs)
    assert summary["clean CurriculumSampler"]["steps_to"] == {"0.2": 40.0, "0.14": 80.0}
    assert summary["clean UniformSampler"]["steps_to"] == {"0.2": 40.0}
    assert summary["clean UniformSampler"]["seeds"] == 2
    assert round(summary["clean UniformSampler"]["new"], 6) == 0.15
