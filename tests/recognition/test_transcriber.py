from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import stt
from stt.audio.features import LogMel
from stt.audio.io import Waveform
from stt.audio.source import AudioError
from stt.errors import InputError
from stt.metrics.error_rate import corpus_wer
from stt.models import ConvTransformer
from stt.recognition import joiner, transcriber
from stt.recognition.recognizer import Recognizer
from stt.recognition.transcript import Transcript
from stt.text.normalize import get_normalizer
from stt.text.tokenizer import Tokenizer
from tests.conftest import LETTERS, RATE, spoken_in_tones


@pytest.fixture
def recognizer(trained: Path) -> Recognizer:
    return stt.load(trained / "checkpoints" / "best.ckpt")


def phrases(count: int) -> list[str]:
    """Phrases of three words; two letters of a word are never the same, as in training."""
    rng = np.random.default_rng(0)
    return [" ".join("".join(rng.permutation(list(LETTERS))[:3]) for _ in range(3)) for _ in range(count)]


def long_recording(count: int) -> tuple[Waveform, list[str]]:
    texts = phrases(count)
    return np.concatenate([spoken_in_tones(text, seed=i) for i, text in enumerate(texts)]), " ".join(texts).split()


def only(results: Iterator[Transcript | InputError]) -> Transcript:
    [result] = results
    assert isinstance(result, Transcript)
    return result


def parts(count: int) -> list[Waveform]:
    return [spoken_in_tones(text, seed=i) for i, text in enumerate(phrases(count))]


@pytest.mark.parametrize("seconds", [2.0, 2.6, 3.1])
def test_a_long_recording_is_recognized_as_well_as_its_parts(
    recognizer: Recognizer, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joiner, "LEAST_SECONDS", 0.0)
    waveform, reference = long_recording(60)
    alone = [only(stt.Transcriber(recognizer).transcribe_all([part])).text for part in parts(60)]
    recognizer.utterance_seconds = seconds
    transcript = only(stt.Transcriber(recognizer).transcribe_all([waveform]))
    assert transcript.duration == pytest.approx(len(waveform) / RATE)
    expected = corpus_wer([(" ".join(reference), " ".join(alone))])
    assert corpus_wer([(" ".join(reference), transcript.text)]) <= expected + 0.02 < 0.08


def test_words_of_a_long_recording_have_their_times(recognizer: Recognizer) -> None:
    waveform, reference = long_recording(40)
    words = only(stt.Transcriber(recognizer).transcribe_all([waveform])).words
    assert [word.start for word in words] == sorted(word.start for word in words)
    # A phrase lasts 13 fifths of a second: pause, three letters, pause, ...
    starts = {(text, 13 * (i // 3) + 1 + 4 * (i % 3)) for i, text in enumerate(reference)}
    found = {(word.text, round(5 * word.start) + shift) for word in words for shift in (-1, 0, 1)}
    assert len(starts & found) >= 0.95 * len(starts)


def test_the_last_word_ends_with_the_recording(recognizer: Recognizer) -> None:
    waveform = spoken_in_tones("ab cad")
    cut = [waveform[:samples] for samples in range(len(waveform) - RATE // 2, len(waveform), 777)]
    for transcript in map(only, map(stt.Transcriber(recognizer).transcribe_all, [[one] for one in cut])):
        assert all(word.start < word.end <= transcript.duration for word in transcript.words)


def test_many_recordings_are_transcribed_as_each_alone_and_in_their_order(
    recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcriber, "SORTED_SECONDS", 40.0)
    monkeypatch.setattr(transcriber, "BATCH_SECONDS", 15.0)
    recordings = [*parts(9), long_recording(30)[0], np.zeros(0, np.float32), *parts(3)]
    together = list(stt.Transcriber(recognizer).transcribe_all(recordings))
    alone = [only(stt.Transcriber(recognizer).transcribe_all([one])) for one in recordings]
    assert [one.text for one in together] == [one.text for one in alone]
    assert [one.duration for one in together] == [one.duration for one in alone]
    for one, other in zip(together, alone, strict=True):
        assert [word.start for word in one.words] == pytest.approx([word.start for word in other.words])


def test_a_recording_that_cannot_be_read_yields_its_error_and_the_others_their_transcripts(
    recognizer: Recognizer, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "good.wav", spoken_in_tones("ab"), RATE)
    (tmp_path / "bad.wav").write_bytes(b"nothing")
    names = [tmp_path / "good.wav", tmp_path / "bad.wav", tmp_path / "missing.wav", str(tmp_path / "good.wav")]
    first, bad, missing, last = stt.Transcriber(recognizer).transcribe_all(names)
    assert isinstance(first, Transcript)
    assert first == last
    assert first.text == "ab"
    assert isinstance(bad, AudioError)
    assert "bad.wav: not a readable audio file" in str(bad)
    assert "missing.wav: the audio file is missing" in str(missing)


def test_an_output_that_is_not_a_number_is_the_error_of_its_recording(
    recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_probs = recognizer.log_probs

    def loud_is_nan(features: torch.Tensor, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        outputs, lengths = log_probs(features, frames)
        outputs[-1] = torch.nan
        return outputs, lengths

    monkeypatch.setattr(recognizer, "log_probs", loud_is_nan)
    monkeypatch.setattr(transcriber, "BATCH_SECONDS", 60.0)
    short, long = spoken_in_tones("ab"), spoken_in_tones("ab cad")
    results = list(stt.Transcriber(recognizer).transcribe_all([short, long]))
    assert isinstance(results[0], Transcript)
    assert results[0].text == "ab"
    assert "the waveform: the network's output is not a number" in str(results[1])


def test_a_stream_gives_the_words_of_the_whole_while_it_is_read(
    recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joiner, "LEAST_SECONDS", 2.0)
    waveform, _ = long_recording(40)
    read = 0

    def blocks() -> Iterator[Waveform]:
        nonlocal read
        for block in np.array_split(waveform, 100):
            read += len(block)
            yield block

    words = []
    for word in stt.Transcriber(recognizer).words(blocks()):
        words.append(word)
        assert read / RATE - word.end < 30
    assert read == len(waveform)
    whole = only(stt.Transcriber(recognizer).transcribe_all([waveform])).words
    assert [word.text for word in words] == [word.text for word in whole]


@pytest.mark.parametrize("seconds", [0.0, 0.01, 90.0])
def test_nothing_is_heard_in_silence_of_any_length(recognizer: Recognizer, seconds: float) -> None:
    transcript = only(stt.Transcriber(recognizer).transcribe_all([np.zeros(int(seconds * RATE), np.float32)]))
    assert transcript == Transcript("", [], seconds)


def test_windows_are_as_long_as_the_training_utterances_within_limits(recognizer: Recognizer) -> None:
    assert 1 < (recognizer.utterance_seconds or 0) < 4, "recorded when it was trained"
    for utterances, window in ((None, 25.0), (0.5, 2.0), (9.0, 9.0), (300.0, 25.0)):
        recognizer.utterance_seconds = utterances
        assert stt.Transcriber(recognizer).window_seconds == window


class Detector:
    """Takes what is louder than the noise of the tones for speech."""

    def speech(self, waveforms: torch.Tensor, hop: int) -> torch.Tensor:
        frames = -(-waveforms.shape[1] // hop)
        padded = torch.nn.functional.pad(waveforms, (0, frames * hop - waveforms.shape[1]))
        return padded.abs().unflatten(1, (frames, hop)).amax(dim=2) > 0.05


def test_only_what_is_taken_for_speech_is_transcribed(recognizer: Recognizer) -> None:
    hiss = np.random.default_rng(0).standard_normal(20 * RATE).astype(np.float32)
    waveform = np.concatenate([spoken_in_tones("ab cad"), 0.01 * hiss, spoken_in_tones("bed"), 0.01 * hiss])
    everything = only(stt.Transcriber(recognizer).transcribe_all([waveform]))
    speech = only(stt.Transcriber(recognizer, detector=Detector()).transcribe_all([waveform, waveform[-RATE:]][:1]))
    assert len(everything.words) >= 3
    assert speech.text == "ab cad bed"
    assert speech.duration == everything.duration
    assert [word.start for word in speech.words] == pytest.approx([0.2, 0.8, 21.8], abs=0.2)
    assert only(stt.Transcriber(recognizer, detector=Detector()).transcribe_all([0.01 * hiss])).text == ""


def test_long_pauses_are_not_heard_but_keep_their_time(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    speech, silence = [spoken_in_tones(text) for text in ("ab", "cad")], np.zeros(5 * RATE, np.float32)
    sizes = []
    compute = recognizer.compute
    monkeypatch.setattr(recognizer, "compute", lambda batch, n: (sizes.extend(n.tolist()), compute(batch, n))[1])
    transcript = recognizer.transcribe(np.concatenate([silence, speech[0], silence, speech[1], silence]), RATE)
    assert transcript.text == "ab cad"
    assert sum(sizes) < sum(map(len, speech)) + 1.5 * RATE
    starts = [5, 10 + len(speech[0]) / RATE]
    alone = [recognizer.transcribe(one, RATE).words[0].start for one in speech]
    assert [word.start for word in transcript.words] == pytest.approx(np.add(starts, alone).tolist(), abs=0.25)
    assert transcript.duration == pytest.approx(15 + sum(map(len, speech)) / RATE)


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (np.zeros(9, np.int16), "must be floating point"),
        (np.zeros((9, 2), np.float32), "must be mono"),
        (np.full(9, np.nan, np.float32), "contains NaN"),
    ],
)
def test_a_wrong_waveform_is_the_error_of_its_recording(
    recognizer: Recognizer, waveform: np.ndarray, message: str
) -> None:
    good = torch.from_numpy(spoken_in_tones("ab"))
    wrong, right = stt.Transcriber(recognizer).transcribe_all([waveform, good])
    assert message in str(wrong)
    assert isinstance(right, Transcript)
    assert right.text == "ab"


@pytest.mark.parametrize("source", ["a.wav", Path("a.wav"), np.zeros(9, np.float32)])
def test_a_single_recording_is_not_taken_for_several(recognizer: Recognizer, source: object) -> None:
    with pytest.raises(InputError, match="takes several recordings"):
        next(stt.Transcriber(recognizer).transcribe_all(source))  # type: ignore[arg-type]


def test_progress_is_told_when_audio_has_been_transcribed(recognizer: Recognizer) -> None:
    heard: list[float] = []
    waveform, _ = long_recording(12)
    results = stt.Transcriber(recognizer).transcribe_all([waveform] * 2, heard.append)
    next(results)
    assert sum(heard) == pytest.approx(len(waveform) / RATE, abs=0.1)
    next(results)
    assert sum(heard) == pytest.approx(2 * len(waveform) / RATE, abs=0.2)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050])
def test_the_last_frame_of_an_hour_has_its_time(tokenizer_file: Path, rate: int) -> None:
    parts = LogMel(rate, 32), ConvTransformer(32, (8, 8, 8), (1, 1, 1), (3, 3, 3), 8, 1, 2)
    recognizer = Recognizer(*parts, Tokenizer.load(tokenizer_file), get_normalizer("plain-1"))
    frames = int(recognizer.output_lengths(torch.tensor([3600 * rate])))
    assert frames * recognizer.frame_seconds == pytest.approx(3600, abs=0.1)
    assert recognizer.frame_seconds == recognizer.frame_samples / rate


def test_the_outputs_of_a_recording_are_those_that_its_words_are_made_of(
    recognizer: Recognizer, tmp_path: Path
) -> None:
    waveform, _ = long_recording(20)
    parts = list(stt.Transcriber(recognizer).log_probs(waveform))
    assert len(parts) > 1
    whole = np.concatenate(parts)
    assert len(whole) * recognizer.frame_seconds == pytest.approx(len(waveform) / RATE, abs=0.1)
    assert stt.Transcriber(recognizer).decoder.text(whole) == recognizer.transcribe(waveform, RATE).text
    with pytest.raises(AudioError, match=r"missing\.wav: the audio file is missing"):
        list(stt.Transcriber(recognizer).log_probs(tmp_path / "missing.wav"))
