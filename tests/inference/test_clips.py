from pathlib import Path

import numpy as np
import pytest

from stt.corpus.manifest import read_manifest
from stt.inference.clips import generated_clips, speech_clips
from tests.conftest import RATE


def test_clips_of_a_manifest_are_its_utterances_one_after_the_other(tones: Path) -> None:
    manifest = read_manifest(tones)
    clips = speech_clips(manifest, RATE, 3.0, 4)
    assert [len(clip) for clip in clips] == [3 * RATE] * 4
    joined = np.concatenate(clips)
    first = int(np.random.default_rng(0).permutation(len(manifest))[0])
    waveform = manifest.waveform(first, RATE)
    assert np.array_equal(joined[: len(waveform)], waveform)


def test_a_manifest_that_is_too_short_is_repeated(tones: Path) -> None:
    manifest = read_manifest(tones)
    one = manifest.filter(np.arange(len(manifest)) == 0)
    length = len(one.waveform(0, RATE))
    joined = np.concatenate(speech_clips(one, RATE, 3.0, 4))
    assert np.array_equal(joined[length : 2 * length], joined[:length])


@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_generated_clips_are_finite_audible_and_differ(rate: int) -> None:
    clips = generated_clips(rate, 2.0, 3)
    assert [clip.shape for clip in clips] == [(2 * rate,)] * 3
    assert all(np.isfinite(clip).all() and 0.01 < np.abs(clip).max() <= 1 for clip in clips)
    assert not np.array_equal(clips[0], clips[1])
