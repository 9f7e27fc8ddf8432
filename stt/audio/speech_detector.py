"""Detection of speech by silero-vad, for recordings that are not speech throughout."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torchaudio.functional
from torch import Tensor
from torch.nn import functional

from stt.audio.waveform import Waveform
from stt.errors import missing_extra

SAMPLE_RATES = (8_000, 16_000)  # Hz, of silero-vad
CHUNKS_PER_SECOND = 31.25  # probabilities
THRESHOLD = 0.5  # probability of speech
MARGIN_SECONDS = 0.3  # before and after speech: soft beginnings and ends


class SpeechDetector:
    """Tells speech from noise, music and silence, with the network of silero-vad on the CPU (extra `vad`)."""

    def __init__(self, sample_rate: int) -> None:
        """Load the network, for waveforms at a sample rate in Hz.

        Raises:
            MissingExtraError: silero-vad is not installed.
        """
        threads = torch.get_num_threads()
        try:
            from silero_vad import load_silero_vad
        except ModuleNotFoundError as error:
            raise missing_extra(error) from error
        torch.set_num_threads(threads)  # its import sets one, for everything in this process
        self.sample_rate = sample_rate
        self._network = load_silero_vad()

    def speech(self, waveforms: Tensor, hop: int) -> Tensor:
        """Return which frames (batch, frame) of `hop` samples are speech, or no more than 0.3 s from it.

        Args:
            waveforms: (batch, sample) in [-1, 1], on the CPU.
            hop: samples per frame.
        """
        frames = -(-waveforms.shape[1] // hop)
        rate = self.sample_rate if self.sample_rate in SAMPLE_RATES else SAMPLE_RATES[-1]
        waveforms = torchaudio.functional.resample(waveforms, self.sample_rate, rate)
        chunk = int(rate / CHUNKS_PER_SECOND)
        count = max(1, -(-waveforms.shape[1] // chunk))
        padded = functional.pad(waveforms, (0, count * chunk - waveforms.shape[1]))
        self._network.reset_states()
        with torch.inference_mode():
            parts = [self._network(part, rate) for part in torch.split(padded, chunk, dim=1)]
        probabilities = torch.cat(parts, dim=1)
        margin = round(MARGIN_SECONDS * CHUNKS_PER_SECOND)
        near = functional.max_pool1d(probabilities.unsqueeze(1), 2 * margin + 1, 1, margin).squeeze(1)
        middles = (torch.arange(frames) + 0.5) * hop / self.sample_rate  # seconds
        return near[:, (middles * CHUNKS_PER_SECOND).long().clamp(max=count - 1)] >= THRESHOLD


def speech_frames(detector: SpeechDetector, waveforms: Waveform, hop: int) -> npt.NDArray[np.bool_]:
    """Return what `detector.speech` does, for an array of waveforms (batch, sample) and as an array (batch, frame)."""
    return detector.speech(torch.from_numpy(waveforms), hop).numpy()
