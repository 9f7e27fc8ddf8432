"""What makes a domain sound like itself: rooms, noise, music beds, bands, codecs. Waveforms are (sample,)."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import soundfile

from stt.audio.io import Waveform, resample

Chooser = np.random.Generator


def room(waveform: Waveform, sample_rate: int, reverberation: float, wet: float, rng: Chooser) -> Waveform:
    """Put a voice into a room: noise that decays by 60 dB in `reverberation` seconds, mixed in by `wet` (0..1)."""
    length = int(reverberation * sample_rate)
    decay = np.exp(-6.9 * np.arange(length) / length)
    response = rng.standard_normal(length) * decay
    response /= np.sqrt(np.square(response).sum())
    size = 1 << (len(waveform) + length - 2).bit_length()  # a power of two is many times faster than a prime
    echo = np.fft.irfft(np.fft.rfft(waveform, size) * np.fft.rfft(response, size), size)
    dry = np.pad(waveform, (0, length - 1))
    return _float32(((1 - wet) * dry + wet * echo[: len(dry)])[: len(waveform) + length // 3])


def band(waveform: Waveform, sample_rate: int, low: float, high: float) -> Waveform:
    """Keep the frequencies from `low` to `high` Hz, with soft edges."""
    size = 1 << (len(waveform) - 1).bit_length()
    frequency = np.fft.rfftfreq(size, 1 / sample_rate)
    gain = 1 / (1 + (low / np.maximum(frequency, 1e-3)) ** 6) / (1 + (frequency / high) ** 12)
    return _float32(np.fft.irfft(np.fft.rfft(waveform, size) * gain, size)[: len(waveform)])


def colored_noise(length: int, slope: float, rng: Chooser) -> Waveform:
    """Noise whose power falls with frequency to the power of `slope`: 0 white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(rng.standard_normal(1 << (length - 1).bit_length()))
    frequency = np.maximum(np.arange(len(spectrum)), 1)
    return _float32(np.fft.irfft(spectrum * frequency ** (-slope / 2))[:length])


def music_bed(length: int, sample_rate: int, rng: Chooser) -> Waveform:
    """A few slowly swelling chords."""
    time = np.arange(length) / sample_rate
    bed = np.zeros(length)
    root = rng.uniform(80, 160)
    for ratio in rng.choice([1, 6 / 5, 5 / 4, 3 / 2, 2, 5 / 2, 3], size=4, replace=False):
        swell = 1 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.2, 1.5) * time + rng.uniform(0, 6))
        for harmonic in (1, 2, 3):
            bed += swell * np.sin(2 * np.pi * root * ratio * harmonic * time + rng.uniform(0, 6)) / harmonic**1.5
    return _float32(bed)


def mix(waveform: Waveform, noise: Waveform, snr_db: float) -> Waveform:
    """Add noise at a signal-to-noise ratio in dB, measured over the whole utterance."""
    signal_power = np.mean(np.square(waveform, dtype=np.float64))
    noise_power = np.mean(np.square(noise, dtype=np.float64))
    gain = np.sqrt(signal_power / np.maximum(noise_power, 1e-20) / 10 ** (snr_db / 10))
    return _float32(waveform + gain * noise[: len(waveform)])


def compress(waveform: Waveform, drive: float) -> Waveform:
    """Squeeze loud and soft together as a transmitter does; `drive` of 1 and more distorts audibly."""
    peak = np.abs(waveform).max()
    return _float32(np.tanh(drive * waveform / peak) * peak) if peak else waveform


def to_peak(waveform: Waveform, peak: float) -> Waveform:
    """Scale to a largest amplitude."""
    largest = np.abs(waveform).max()
    return _float32(waveform * (peak / largest)) if largest else waveform


def through_codec(waveform: Waveform, sample_rate: int, kind: str, subtype: str) -> Waveform:
    """Encode and decode with one of libsndfile's lossy formats, such as ("MP3", "MPEG_LAYER_III")."""
    memory = io.BytesIO()
    soundfile.write(memory, waveform, sample_rate, format=kind, subtype=subtype)
    memory.seek(0)
    decoded, rate = soundfile.read(memory, dtype="float32")
    return resample(_float32(decoded[: len(waveform)]), rate, sample_rate)


def _float32(values: npt.ArrayLike) -> Waveform:
    return np.asarray(values, dtype=np.float32)
