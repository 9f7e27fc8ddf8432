"""Transcription of recordings of any length, many at once: windows, batches, and words that no joint breaks."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from stt.audio.io import Waveform, resample
from stt.audio.source import AudioSource
from stt.decoding.decoder import Decoder
from stt.decoding.words import Word
from stt.errors import InputError
from stt.recognition.acoustic_model import AcousticModel
from stt.recognition.decoders import build_decoder
from stt.recognition.hearing import Output, hear
from stt.recognition.joiner import Joiner
from stt.recognition.pauses import with_loudness
from stt.recognition.recording import Recording, check_rate, check_waveform, is_waveform
from stt.recognition.transcript import Transcript
from stt.recognition.windows import Window, cut_windows

if TYPE_CHECKING:  # these need torch, and inference from an export does without
    from torch import Tensor

    from stt.audio.speech_detector import SpeechDetector

LONGEST_SECONDS = 25.0  # of a window: attention costs the square of it
SHORTEST_SECONDS = 2.0  # a network that was trained on single words is given some of them at once
CONTEXT_SECONDS = 0.5  # on each side; more makes the windows longer than the utterances: docs/transcribing.md
WHOLE = 2.0  # of a window: recordings that are not cut, because the network was trained on some that are as long
PAUSE_SECONDS = 0.1  # that should be quiet on each side of a cut
BATCH_SECONDS = 60.0  # of audio that the network is given at once
SORTED_SECONDS = 240.0  # of audio whose windows are sorted by length into batches

Source = Recording | AudioSource | Waveform | Path | str  # or a tensor


@dataclass(frozen=True)
class End:
    """The end of a recording: its duration in seconds, and why it could not be read to its end."""

    seconds: float
    error: InputError | None = None


Part = tuple[str, Window | End]  # of a recording, whose name is for messages


class Draft:
    """The transcript of a recording whose windows are being heard, in order."""

    def __init__(self, joiner: Joiner) -> None:
        """Begin with no words."""
        self._joiner = joiner
        self._words: list[Word] = []
        self._error: InputError | None = None

    def add(self, window: Window, output: Output) -> float:
        """Add the output for the next window; return its duration in seconds, 0 if there is none."""
        if isinstance(output, InputError):
            self._error = self._error or output
            return 0.0
        self._words += self._joiner.add(window, output)
        return len(output) * self._joiner.frame_seconds

    def finish(self, end: End) -> Transcript | InputError:
        """Return the transcript, or what went wrong first in reading, otherwise in hearing."""
        self._words += self._joiner.flush()
        words = [_until(end.seconds, word) for word in self._words]
        return end.error or self._error or Transcript.of(words, end.seconds)


def _until(seconds: float, word: Word) -> Word:
    """Return a word that ends with its recording: the last frame is longer than what is left of it."""
    return replace(word, start=min(word.start, seconds), end=seconds) if word.end > seconds else word


class Transcriber:
    """Transcribes recordings with a recognizer, from a checkpoint or an export, and a decoder.

    A recording that is longer than what the network was trained on is cut where it is quiet, and each window is heard
    with some of the recording before and after it. What the network says of this context is dropped, and what it says
    of the rest is joined before words are made of it, so that a cut within a word does not break it. Memory does not
    grow with the duration of a file.

    Example:
        >>> import stt
        >>> transcriber = stt.Transcriber(stt.load("model.ckpt"))
        >>> [transcript.text for transcript in transcriber.transcribe_all(["speech.wav", "speech.wav"])]
        ['a bad cab', 'a bad cab']
    """

    def __init__(
        self, recognizer: AcousticModel, decoder: Decoder | None = None, detector: SpeechDetector | None = None
    ) -> None:
        """Assemble the parts.

        Args:
            recognizer: runs on the device of its weights.
            decoder: decoder to use; None: the recognizer's own, which is greedy unless an export brings another.
            detector: what it does not take for speech is not transcribed; None: everything is.
        """
        self.recognizer = recognizer
        self.decoder = decoder or build_decoder(
            recognizer.decoder_options, recognizer.tokenizer, recognizer.normalizer.name
        )
        self.detector = detector

    @property
    def window_seconds(self) -> float:
        """Length of a window at most: what three quarters of the training utterances did not exceed, within limits."""
        longest = self.recognizer.utterance_seconds or LONGEST_SECONDS
        return min(LONGEST_SECONDS, max(SHORTEST_SECONDS, longest))

    def transcribe(
        self,
        source: AudioSource | Path | str | npt.NDArray[np.floating[Any]] | Tensor,
        sample_rate: float | None = None,
    ) -> Transcript:
        """Transcribe one recording.

        Args:
            source: a file, URL or byte range in any format that libsndfile or FFmpeg reads, or a waveform (sample,) in
                [-1, 1].
            sample_rate: sample rate of the waveform, Hz, a whole number; ignored for files.

        Raises:
            AudioError: the file cannot be read.
            InputError: the waveform is not mono, finite and floating point, its sample rate is missing or no whole
                number, or the network's output for it is not a number.
        """
        recording: AudioSource | Waveform
        if isinstance(source, str | Path | AudioSource):
            recording = AudioSource.of(source)
        else:
            recording = resample(check_waveform(source), check_rate(sample_rate), self.recognizer.sample_rate)
        [result] = self.transcribe_all([recording])
        if isinstance(result, InputError):
            raise result
        return result

    def transcribe_all(
        self, sources: Iterable[Source], heard: Callable[[float], object] = lambda _: None
    ) -> Iterator[Transcript | InputError]:
        """Transcribe recordings in order, several at once; one that cannot be transcribed yields its error.

        Args:
            sources: files, URLs, byte ranges, or waveforms (sample,) in [-1, 1] at the recognizer's sample rate.
            heard: called with seconds of audio whenever some have been transcribed, for a progress bar.

        Raises:
            InputError: `sources` is a single recording.
        """
        if isinstance(sources, str | Path) or is_waveform(sources):
            raise InputError("transcribe_all takes several recordings, in a list or another iterable")
        draft = self.draft()
        for part, output in self._outputs(chain.from_iterable(map(self.parts, sources))):
            if isinstance(part, End):
                yield draft.finish(part)
                draft = self.draft()
            elif output is not None:
                heard(draft.add(part, output))

    def log_probs(self, source: Source) -> Iterator[npt.NDArray[np.float32]]:
        """Compute the outputs of a recording of any length; yield log_probs (frame, vocab) of its successive parts.

        Raises:
            InputError: the recording cannot be read, or the network's output is not a number.
        """
        for part, output in self._outputs(self.parts(source)):
            if isinstance(part, End):
                if part.error:
                    raise part.error
            elif isinstance(output, InputError):
                raise output
            elif output is not None:
                yield output

    def words(self, blocks: Iterable[Waveform]) -> Iterator[Word]:
        """Transcribe a stream; yield words once they are certain: after 20 seconds, at the next joint between words.

        Args:
            blocks: successive parts (sample,) of any length at the recognizer's sample rate, in [-1, 1].

        Raises:
            InputError: the network's output is not a number.
        """
        joiner = self._joiner()
        for window in with_loudness(self._windows(blocks), self.recognizer.frame_samples, ahead=0):
            [output] = hear(self.recognizer, [window], ["the stream"], self.detector)
            if isinstance(output, InputError):
                raise output
            yield from joiner.add(window, output)
        yield from joiner.flush()

    def _joiner(self) -> Joiner:
        return Joiner(self.decoder, self.recognizer.tokenizer, self.recognizer.frame_seconds)

    def _windows(self, blocks: Iterable[Waveform]) -> Iterator[Window]:
        longest = self.window_seconds
        seconds = (longest, CONTEXT_SECONDS, PAUSE_SECONDS, min(WHOLE * longest, LONGEST_SECONDS))
        hop, rate = self.recognizer.frame_samples, self.recognizer.sample_rate
        return cut_windows(blocks, hop, *(int(one * rate) for one in seconds))

    def draft(self) -> Draft:
        """Return the transcript of a recording of which nothing was heard yet."""
        return Draft(self._joiner())

    def parts(self, source: Source) -> Generator[Part, None, None]:
        """Yield the windows of a recording, and its end; what cannot be read is an error of the end."""
        recording, rate = Recording.of(source), self.recognizer.sample_rate
        samples = 0

        def counted(blocks: Iterable[Waveform]) -> Iterator[Waveform]:
            nonlocal samples
            for block in blocks:
                samples += len(block)
                yield block

        try:
            windows = self._windows(counted(recording.blocks(rate)))
            for window in with_loudness(windows, self.recognizer.frame_samples):
                yield recording.name, window
        except InputError as error:
            yield recording.name, End(samples / rate, error)
        else:
            yield recording.name, End(samples / rate)

    def _outputs(self, parts: Iterable[Part]) -> Iterator[tuple[Window | End, Output | None]]:
        """Compute the outputs of windows in batches of similar length; yield everything in order."""
        limit = SORTED_SECONDS * self.recognizer.sample_rate
        waiting: list[Part] = []
        samples = 0
        for name, part in parts:
            waiting.append((name, part))
            samples += len(part.samples) if isinstance(part, Window) else 0
            if samples >= limit:
                yield from self.outputs(waiting)
                waiting, samples = [], 0
        yield from self.outputs(waiting)

    def outputs(self, parts: Sequence[Part]) -> Iterator[tuple[Window | End, Output | None]]:
        """Compute the outputs of windows of any recordings in batches of similar length; yield all in order."""
        windows = [(i, name, part) for i, (name, part) in enumerate(parts) if isinstance(part, Window)]
        windows.sort(key=lambda item: len(item[2].samples))
        outputs: dict[int, Output] = {}
        while windows:
            count = max(1, int(BATCH_SECONDS * self.recognizer.sample_rate) // max(1, len(windows[-1][2].samples)))
            indices, names, batch = zip(*windows[-count:], strict=True)
            del windows[-count:]
            outputs |= zip(indices, hear(self.recognizer, batch, names, self.detector), strict=True)
        for i, (_, part) in enumerate(parts):
            yield part, outputs.pop(i, None)
