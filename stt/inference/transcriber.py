"""From a checkpoint and audio files to text, without a Trainer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from stt.audio.io import Waveform, read_audio
from stt.checkpoint import load_recognizer
from stt.corrector.corrector import Corrector
from stt.decoding.beam import BeamOptions, BeamSearch
from stt.decoding.decoder import Corrected, Decoder, Greedy
from stt.decoding.greedy import Word

MIN_CHUNK_SECONDS = 15.0
MAX_CHUNK_SECONDS = 25.0  # attention grows with the square of the length, and training saw short utterances


@dataclass(frozen=True)
class Transcript:
    """Text of a file with its words."""

    text: str
    words: list[Word]
    duration: float  # seconds

    @property
    def confidence(self) -> float:
        """Mean confidence of the words; 1 for an empty text."""
        return sum(word.confidence for word in self.words) / len(self.words) if self.words else 1.0


class Transcriber:
    """Recognizes files of any length, rate and number of channels."""

    def __init__(
        self,
        checkpoint: Path | str,
        device: str | None = None,
        beam: BeamOptions | None = None,
        corrector: Path | str | None = None,
    ) -> None:
        """Load a checkpoint.

        Args:
            checkpoint: of a trained model.
            device: a GPU where there is one, unless named.
            beam: search with these options; None takes the best token of every frame, which is many times faster.
            corrector: of `corrector train`, to rewrite what was found.

        Raises:
            InputError: a file is missing or not a checkpoint of this project, or language model or corrector do not
                fit.
        """
        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = load_recognizer(checkpoint, device)
        tokenizer, normalizer = self.model.tokenizer, self.model.normalizer.name
        self.decoder: Decoder = BeamSearch(tokenizer, normalizer, beam) if beam else Greedy(tokenizer)
        if corrector:
            loaded = Corrector.load(corrector)
            loaded.check(tokenizer, normalizer)
            self.decoder = Corrected(self.decoder, loaded.correct)

    def transcribe(self, path: Path | str) -> Transcript:
        """Recognize one file.

        Raises:
            AudioError: the file cannot be read.
        """
        rate = self.model.sample_rate
        waveform = read_audio(path, rate)
        words: list[Word] = []
        start = 0
        for chunk in split_at_pauses(waveform, rate):
            words += self._words(chunk, start / rate)
            start += len(chunk)
        return Transcript(" ".join(word.text for word in words), words, len(waveform) / rate)

    @torch.inference_mode()
    def _words(self, waveform: Waveform, start: float) -> list[Word]:
        samples = torch.from_numpy(waveform).to(self.model.device).unsqueeze(0)
        log_probs, frames = self.model(samples, torch.tensor([len(waveform)], device=self.model.device))
        return self.decoder.words(log_probs[0, : frames[0]].cpu().numpy(), self.model.frame_seconds, start)


def split_at_pauses(waveform: Waveform, sample_rate: int) -> list[Waveform]:
    """Cut a long waveform (sample,) where it is quietest, into pieces of 15 to 25 seconds."""
    shortest, longest = int(MIN_CHUNK_SECONDS * sample_rate), int(MAX_CHUNK_SECONDS * sample_rate)
    window = max(1, sample_rate // 5)
    pieces = []
    while len(waveform) > longest:
        energy = np.convolve(np.square(waveform[shortest:longest]), np.ones(window) / window, mode="same")
        cut = shortest + int(energy.argmin())
        pieces.append(waveform[:cut])
        waveform = waveform[cut:]
    return [*pieces, waveform]
