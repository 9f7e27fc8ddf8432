"""Transcription of recordings of any length, many at once: windows, batches, and words that no joint breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from stt.audio.io import Waveform
from stt.audio.source import AudioSource
from stt.audio.speech_detector import SpeechDetector
from stt.decoding.decoder import Decoder, Greedy
from stt.decoding.greedy import Word
from stt.errors import InputError
from stt.recognition.joiner import Joiner
from stt.recognition.recognizer import Recognizer, check_outputs, inference
from stt.recognition.recording import Recording
from stt.recognition.transcript import Transcript
from stt.recognition.windows import Window, cut_windows

LONGEST_SECONDS = 25.0  # of a window: attention costs the square of it
SHORTEST_SECONDS = 2.0  # a network that was trained on single words is given some of them at once
CONTEXT_SECONDS = 0.5  # on each side; more makes the windows longer than the utterances: docs/transcribing.md
WHOLE = 2.0  # of a window: recordings that are not cut, because the network was trained on some that are as long
PAUSE_SECONDS = 0.1  # that should be quiet on each side of a cut
BATCH_SECONDS = 60.0  # of audio that the network is given at once
NEVER = -1e4  # log-probability of pieces where nobody speaks
SORTED_SECONDS = 240.0  # of audio whose windows are sorted by length into batches

Source = Recording | AudioSource | Waveform | Tensor | Path | str
Output = npt.NDArray[np.float32] | InputError  # log_probs (frame, vocab)


@dataclass(frozen=True)
class _End:
    """The end of a recording: its duration in seconds, and why it could not be read to its end."""

    seconds: float
    error: InputError | None = None


class Transcriber:
    """Transcribes recordings with a recognizer and a decoder.

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
        self, recognizer: Recognizer, decoder: Decoder | None = None, detector: SpeechDetector | None = None
    ) -> None:
        """Assemble the parts.

        Args:
            recognizer: runs on the device of its weights.
            decoder: decoder to use; None: greedy decoding.
            detector: what it does not take for speech is not transcribed; None: everything is.
        """
        self.recognizer = recognizer
        self.decoder = decoder or Greedy(recognizer.tokenizer)
        self.detector = detector

    @property
    def window_seconds(self) -> float:
        """Length of a window at most: what three quarters of the training utterances did not exceed, within limits."""
        longest = self.recognizer.utterance_seconds or LONGEST_SECONDS
        return min(LONGEST_SECONDS, max(SHORTEST_SECONDS, longest))

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
        if isinstance(sources, str | Path | np.ndarray | Tensor):
            raise InputError("transcribe_all takes several recordings, in a list or another iterable")
        words: list[Word] = []
        error: InputError | None = None
        joiner = self._joiner()
        for part, output in self._outputs(self._parts(sources)):
            if isinstance(part, _End):
                words += joiner.flush()
                text = " ".join(word.text for word in words)
                yield part.error or error or Transcript(text, words, part.seconds)
                words, error, joiner = [], None, self._joiner()
            elif isinstance(output, InputError):
                error = error or output
            elif output is not None:
                words += joiner.add(part, output)
                heard(len(output) * joiner.frame_seconds)

    def log_probs(self, source: Source) -> Iterator[npt.NDArray[np.float32]]:
        """Compute the outputs of a recording of any length; yield log_probs (frame, vocab) of its successive parts.

        Raises:
            InputError: the recording cannot be read, or the network's output is not a number.
        """
        for part, output in self._outputs(self._parts([source])):
            if isinstance(part, _End):
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
        for window in self._windows(blocks):
            [output] = self._compute([window], ["the stream"])
            if isinstance(output, InputError):
                raise output
            yield from joiner.add(window, output)
        yield from joiner.flush()

    def _joiner(self) -> Joiner:
        return Joiner(self.decoder, self.recognizer.tokenizer, self.recognizer.frame_seconds)

    def _windows(self, blocks: Iterable[Waveform]) -> Iterator[Window]:
        longest = self.window_seconds
        seconds = (longest, CONTEXT_SECONDS, PAUSE_SECONDS, min(WHOLE * longest, LONGEST_SECONDS))
        return cut_windows(
            blocks, self.recognizer.frame_samples, *(int(one * self.recognizer.sample_rate) for one in seconds)
        )

    def _parts(self, sources: Iterable[Source]) -> Iterator[tuple[str, Window | _End]]:
        """Yield the windows of all recordings and their ends, with a name for messages."""
        rate = self.recognizer.sample_rate
        for recording in map(Recording.of, sources):
            samples = 0

            def counted(blocks: Iterable[Waveform]) -> Iterator[Waveform]:
                nonlocal samples
                for block in blocks:
                    samples += len(block)
                    yield block

            try:
                for window in self._windows(counted(recording.blocks(rate))):
                    yield recording.name, window
            except InputError as error:
                yield recording.name, _End(samples / rate, error)
            else:
                yield recording.name, _End(samples / rate)

    def _outputs(self, parts: Iterable[tuple[str, Window | _End]]) -> Iterator[tuple[Window | _End, Output | None]]:
        """Compute the outputs of windows in batches of similar length; yield everything in order."""
        limit = SORTED_SECONDS * self.recognizer.sample_rate
        waiting: list[tuple[str, Window | _End]] = []
        samples = 0
        for name, part in parts:
            waiting.append((name, part))
            samples += len(part.samples) if isinstance(part, Window) else 0
            if samples >= limit:
                yield from self._in_order(waiting)
                waiting, samples = [], 0
        yield from self._in_order(waiting)

    def _in_order(self, parts: Sequence[tuple[str, Window | _End]]) -> Iterator[tuple[Window | _End, Output | None]]:
        windows = [(i, name, part) for i, (name, part) in enumerate(parts) if isinstance(part, Window)]
        windows.sort(key=lambda item: len(item[2].samples))
        outputs: dict[int, Output] = {}
        while windows:
            count = max(1, int(BATCH_SECONDS * self.recognizer.sample_rate) // max(1, len(windows[-1][2].samples)))
            indices, names, batch = zip(*windows[-count:], strict=True)
            del windows[-count:]
            outputs |= zip(indices, self._compute(batch, names), strict=True)
        for i, (_, part) in enumerate(parts):
            yield part, outputs.pop(i, None)

    def _compute(self, windows: Sequence[Window], names: Sequence[str]) -> list[Output]:
        """Return the log_probs of each window's core, or why there are none."""
        lengths = torch.tensor([len(window.samples) for window in windows])
        waveforms = torch.zeros(len(windows), int(lengths.max()))
        for row, window in zip(waveforms, windows, strict=True):
            row[: len(window.samples)] = torch.from_numpy(window.samples)
        log_probs, frames = self._log_probs(waveforms, lengths)
        outputs: list[Output] = []
        for i, (window, name) in enumerate(zip(windows, names, strict=True)):
            try:
                check_outputs(log_probs[i : i + 1], frames[i : i + 1], [name])
            except InputError as error:
                outputs.append(error)
                continue
            end = int(frames[i]) if window.core is None else window.before + window.core
            outputs.append(log_probs[i, window.before : end].numpy().copy())
        return outputs

    def _log_probs(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return log_probs (batch, frame, vocab) and numbers of frames (batch,), on the CPU; blanks without speech."""
        recognizer = self.recognizer
        with inference(recognizer):
            if self.detector is None:
                log_probs, frames = recognizer(waveforms.to(recognizer.device), lengths.to(recognizer.device))
                return log_probs.cpu(), frames.cpu()
            speech = self.detector.speech(waveforms, recognizer.frame_samples)
            frames = recognizer.output_lengths(lengths)
            shape = (len(waveforms), int(frames.max()), recognizer.tokenizer.vocab_size)
            log_probs = torch.full(shape, NEVER)
            log_probs[..., recognizer.tokenizer.blank_id] = 0.0
            rows = speech.any(dim=1)
            if rows.any():
                heard, _ = recognizer(waveforms[rows].to(recognizer.device), lengths[rows].to(recognizer.device))
                kept = functional.pad(speech[rows], (0, heard.shape[1]))[:, : heard.shape[1], None]
                log_probs[rows, : heard.shape[1]] = torch.where(kept, heard.cpu(), log_probs[rows, : heard.shape[1]])
        return log_probs, frames
