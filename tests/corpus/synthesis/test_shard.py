from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import soundfile

pytest.importorskip("espeakng_loader", reason="the speech synthesizer is not installed")

from stt.corpus.synthesis.plan import Sentence, Utterance
from stt.corpus.synthesis.scene import Recordings
from stt.corpus.synthesis.shard import SAMPLE_RATE, Shard, make_shard


def test_a_shard_counts_what_cannot_be_spoken_as_zero_and_ends_when_it_is_long_enough(tmp_path: Path) -> None:
    texts = ["...", "one sentence of some words", "another sentence of some words", "too much"]
    utterances = [Utterance(Sentence("a.txt", text, text), "en+f1") for text in texts]
    shard = Shard(7, utterances, tmp_path, seed=0, recordings=Recordings(), max_seconds=0.5)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        durations = pool.submit(make_shard, shard).result()
    assert len(durations) == 2
    assert durations[0] == 0
    [path] = tmp_path.rglob("*.flac")
    assert path == tmp_path / shard.audio(1)
    info = soundfile.info(path)
    assert (info.samplerate, info.frames) == (SAMPLE_RATE, round(durations[1] * SAMPLE_RATE))
    assert 1 < durations[1] < 6
