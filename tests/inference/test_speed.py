import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stt.decoding.decoder import Greedy
from stt.inference.clips import generated_clips
from stt.inference.speed import CPU, WALL, Case, batches, measure_cases, summary, time_stages
from stt.inference.stages import DECODING, WHOLE, stages_of
from stt.inference.untrained import build_untrained
from stt.recognition.recognizer import Recognizer
from stt.text.tokenizer import Tokenizer
from tests.conftest import MICRO, RATE


@pytest.fixture
def recognizer(tokenizer_file: Path) -> Recognizer:
    return build_untrained(MICRO, Tokenizer.load(tokenizer_file))


def test_stages_one_after_the_other_compute_what_the_recognizer_computes(recognizer: Recognizer) -> None:
    clips = generated_clips(RATE, 1.0, 2)
    [(x, lengths)] = batches([clips[0], clips[1][:5000]], 2)
    with torch.inference_mode():
        expected, frames = recognizer(torch.from_numpy(x), torch.from_numpy(lengths))
    for stage in stages_of(recognizer).values():
        x, lengths = stage(x, lengths)
    assert torch.equal(x, expected)
    assert lengths.tolist() == frames.tolist()


def test_work_counts_as_time_of_the_processor_and_waiting_only_as_time_of_the_wall_clock() -> None:
    def work(x: Any, lengths: Any) -> tuple[Any, Any]:
        until = time.process_time() + 0.02
        while time.process_time() < until:
            pass
        return x, lengths

    def wait(x: Any, lengths: Any) -> tuple[Any, Any]:
        time.sleep(0.02)
        return x, lengths

    times = time_stages({"work": work, "wait": wait}, lambda *_: None, [np.zeros(10, np.float32)] * 3, 2)  # 2 batches
    assert times["work"][CPU] >= 0.04
    assert times["wait"][WALL] >= 0.04
    assert times["wait"][CPU] < 0.02
    assert times[WHOLE] == pytest.approx(times["work"] + times["wait"] + times[DECODING])


def test_every_measurement_transcribes_all_clips_cut_to_the_length_of_the_case(recognizer: Recognizer) -> None:
    shapes: list[tuple[int, ...]] = []

    def see(x: Any, lengths: Any) -> tuple[Any, Any]:
        shapes.append(x.shape)
        return x, lengths

    cases = [Case(0.5, 1), Case(1.0, 3)]
    stages = {"see": see, **stages_of(recognizer)}
    clips = generated_clips(RATE, 1.0, 3)
    reports = measure_cases(stages, Greedy(recognizer.tokenizer), recognizer.frame_seconds, clips, RATE, cases, 2)
    rounds = 1 + 2  # the first to warm up
    assert sorted(shapes) == sorted([(1, RATE // 2)] * 3 * rounds + [(3, RATE)] * rounds)
    assert [(one["clip_seconds"], one["batch"]) for one in reports] == [(0.5, 1), (1.0, 3)]
    for report in reports:
        assert set(report["audio_seconds_per_core_second"]) == {"see", "features", "acoustic model", DECODING, WHOLE}
        slow, fast = report["quartiles_of_the_whole"]
        assert slow <= report["audio_seconds_per_core_second"][WHOLE] <= fast


@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=9), st.floats(1, 100))
def test_the_median_does_not_depend_on_a_slow_repetition(cpu: list[float], audio: float) -> None:
    def speed(seconds: list[float]) -> float:
        samples = [{WHOLE: np.array([one, 2 * one])} for one in seconds]
        report = summary(samples, audio)
        assert report["cores_used"] == 0.5
        wall, core = (report[f"audio_seconds_per_{kind}_second"][WHOLE] for kind in ("wall", "core"))
        assert core == pytest.approx(2 * wall, rel=0.02)  # rounded
        return float(core)

    assert speed(cpu) == pytest.approx(audio / np.median(cpu), rel=0.01)
    spoiled = [*cpu, min(cpu), 1e4]
    assert speed(spoiled) == pytest.approx(speed([*cpu, min(cpu), max(cpu)]), rel=0.01)
