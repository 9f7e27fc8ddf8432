"""Reading what FFmpeg decodes, through PyAV: MP4/AAC, WebM, AMR, WMA, the sound of videos and others.

FFmpeg can do more than decode a file: a playlist, for one, makes it open others. It is therefore given an open file
instead of a name, a list of formats and decoders, and no way to open anything else.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, NoReturn

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Discard

from stt.audio.reader import DECODER_PADDING_SECONDS
from stt.audio.source import AudioError, AudioSource
from stt.audio.timeline import Timeline
from stt.audio.waveform import Waveform

# Without Ogg and MP3: libsndfile reads them, and tells when something is missing. Without FLV and MPEG, whose tracks
# may appear later than PyAV can handle: it reads beyond its list of them.
FORMATS = "mov,matroska,webm,aac,amr,amrnb,amrwb,asf,avi,wav,caf"
CODECS = (
    "aac aac_latm ac3 eac3 alac flac opus vorbis mp1float mp2float mp3float amrnb amrwb wmav1 wmav2 wmapro wmalossless "
    "wmavoice adpcm_ms adpcm_ima_wav adpcm_ima_qt gsm gsm_ms g722 g723_1 g726 g729 truespeech pcm_alaw pcm_mulaw "
    "pcm_u8 pcm_s8 pcm_s16le pcm_s16be pcm_s24le pcm_s24be pcm_s32le pcm_s32be pcm_f32le pcm_f32be pcm_f64le pcm_f64be"
).split()
# Timestamps of MP4 count samples. Those of Matroska are milliseconds, which tell where a frame belongs only if all
# frames have the same length. In other formats they are estimates after seeking, so everything is decoded.
SEEKABLE = frozenset({"mov", "matroska"})
EQUAL_FRAMES = frozenset({"aac", "opus", "mp3float", "ac3", "eac3", "amrnb", "amrwb"})
DECLARE_DURATION = frozenset({"matroska", "asf"})  # for the whole file; MP4 does for each track, others not at all
CHECKSUMS = frozenset({"flac", "ac3", "eac3"})  # in every frame of these codecs
MAX_PLANES = 7  # with more, PyAV reads beyond the list of a frame's planes
PREROLL_SECONDS = 1.0  # decoded before an offset: a decoder remembers what came before
JITTER_SECONDS = 0.05  # of timestamps; a longer gap is silence that was not encoded
MAX_GAP_SECONDS = 1.0  # encoders send something in longer silence; without it, audio is missing
SKIP_SAMPLES = 1 << 16
MAX_SAMPLES = 1 << 50  # timestamps have 64 bits
DAMAGED, UNREADABLE = "the {} file is damaged", "not a readable {} file"
NOTHING: Waveform = np.empty(0, np.float32)


class AvReader:
    """A `stt.audio.reader.Reader` over FFmpeg, for the best audio track of a file.

    The delay of an encoder is cut off where the file tells it, and short gaps between timestamps become silence.

    Args:
        opened: path of the file, or its bytes.
        source: its name for messages.
        kind: its format for messages.

    Raises:
        AudioError: the file is not readable by FFmpeg, or has no audio track or no samples.
    """

    def __init__(self, opened: str | io.BytesIO, source: AudioSource, kind: str = "audio") -> None:
        self._source, self._kind = source, kind
        self._rest = NOTHING  # decoded, but not returned yet
        with ExitStack() as stack:
            self._file: BinaryIO = stack.enter_context(Path(opened).open("rb")) if isinstance(opened, str) else opened
            with self._errors(UNREADABLE):
                self._start()
            self._open_file = stack.pop_all()

    def count(self, verify: bool) -> int:
        """Return the number of samples, up to what decoders pad; every packet is read, but none is decoded."""
        if self._timeline is None:
            return self._skip(MAX_SAMPLES)
        with self._errors(DAMAGED):
            for _ in self._packets:
                pass
        samples = self._timeline.sample_at(self._end or 0)
        if self.promised is not None and samples < self.promised - DECODER_PADDING_SECONDS * self.rate:
            expected, found = self.promised / self.rate, samples / self.rate
            raise AudioError(f"{self._source}: the header promises {expected:,.2f} s, but the file has {found:,.2f} s")
        return samples

    def seek(self, position: int) -> None:
        """Move to a sample, or to the end."""
        position = min(position, MAX_SAMPLES)
        with self._errors(DAMAGED):
            start = self._jump(position - round(PREROLL_SECONDS * self.rate))
        self._skip(position - start)

    def read(self, count: int) -> Waveform:
        """Return the next samples (sample,), the mean of the channels."""
        pieces = [NOTHING]
        with self._errors(DAMAGED):
            while count:
                if not len(self._rest):
                    self._rest = next(self._decoded, NOTHING)
                    if not len(self._rest):
                        break
                pieces.append(self._rest[:count])
                self._rest = self._rest[count:]
                count -= len(pieces[-1])
        return np.concatenate(pieces)

    def close(self) -> None:
        """Close the file."""
        self._container.close()
        self._open_file.close()

    def _start(self) -> None:
        """Open the file at its first sample."""
        self._file.seek(0)
        self._container = av.open(
            self._file,
            "r",
            container_options={
                "format_whitelist": FORMATS,
                "codec_whitelist": ",".join(CODECS),
                "protocol_whitelist": "none",  # formats that open files themselves do not ask `io_open`
            },
            metadata_errors="replace",
            io_open=_refuse,
        )
        stream = self._container.streams.best("audio")
        if not isinstance(stream, AudioStream):
            raise AudioError(f"{self._source}: the file has no audio track")
        codec = stream.codec_context.name if stream.codec_context else "unknown"
        if codec not in CODECS:
            raise AudioError(f"{self._source}: its audio codec ({codec}) is not supported")
        for other in self._container.streams:
            if other is not stream:
                other.discard = Discard.all
        if codec in CHECKSUMS:
            stream.codec_context.options = {"err_detect": "crccheck+explode"}
        self._stream = stream
        self._packer: av.AudioResampler | None = None
        frames = self._restart()
        first = list(islice(frames, 2))
        if not first:
            raise AudioError(f"{self._source}: the audio file contains no samples")
        self.rate = first[0].sample_rate
        self.channels = int(first[0].layout.nb_channels)
        self.promised = self._promised()
        self._timeline = self._timeline_of(first, equal=codec in EQUAL_FRAMES)
        self._decoded = self._blocks(chain(first, frames), 0)

    def _restart(self) -> Iterator[AudioFrame]:
        """Return the frames from where the container is."""
        self._end: int | None = None  # timestamp after the packets so far
        self._rest = NOTHING
        self._packets = self._read_packets()
        return (frame for packet in self._packets for frame in packet.decode())

    def _read_packets(self) -> Iterator[Packet[AudioStream]]:
        unit = self._stream.time_base or Fraction(1)
        for packet in self._container.demux(self._stream):
            if packet.is_corrupt:
                raise AudioError(f"{self._source}: the {self._kind} file is truncated or damaged")
            if packet.pts is not None:
                if self._end is None:
                    self._end = packet.pts
                self._check_gap(float((packet.pts - self._end) * unit))
                self._end = max(self._end, packet.pts + (packet.duration or 0))
            yield packet

    def _blocks(self, frames: Iterator[AudioFrame], position: int) -> Iterator[Waveform]:
        """Yield the samples of frames, of which the first one is at a position, where their timestamps put them."""
        timeline = self._timeline
        following = next(frames, None)
        while following is not None:
            frame, following = following, next(frames, None)
            if frame.sample_rate != self.rate:
                raise AudioError(
                    f"{self._source}: its sample rate changes from {self.rate} to {frame.sample_rate} Hz in the middle"
                )
            samples = _mono(self._packed(frame))
            if timeline is not None and frame.pts is not None:
                gap = timeline.frame_at(frame.pts) - position
                if gap > JITTER_SECONDS * self.rate:
                    self._check_gap(gap / self.rate)
                    yield np.zeros(gap, np.float32)
                    position += gap
                if following is None and timeline.counts_samples and frame.duration:
                    # MP4 tells how much of the last frame is padding.
                    samples = samples[: round(frame.duration * timeline.samples_per_unit)]
            if len(samples):
                yield samples
            position += len(samples)

    def _packed(self, frame: AudioFrame) -> AudioFrame:
        """Interleave the channels of a frame if they are too many."""
        if not frame.format.is_planar or frame.layout.nb_channels <= MAX_PLANES:
            return frame
        self._packer = self._packer or av.AudioResampler(frame.format.packed)
        [packed] = self._packer.resample(frame)
        return packed

    def _check_gap(self, seconds: float) -> None:
        if seconds > MAX_GAP_SECONDS:
            raise AudioError(f"{self._source}: the file is damaged, {seconds:,.2f} s are missing in the middle")

    def _jump(self, target: int) -> int:
        """Go to a frame that starts before a sample, if its position can be told; return it, or 0 for the start."""
        timeline = self._timeline
        if target <= 0 or timeline is None or not timeline.is_exact or self._format not in SEEKABLE:
            return 0
        try:
            self._container.seek(timeline.pts_before(target), stream=self._stream)
            frames = self._restart()
            first = next(frames, None)
        except av.FFmpegError:
            first = None
        if first is None or first.pts is None or timeline.frame_at(first.pts) > target:
            self._container.close()
            self._start()
            return 0
        start = timeline.frame_at(first.pts)
        self._decoded = self._blocks(chain([first], frames), start)
        return start

    def _skip(self, count: int) -> int:
        """Decode up to `count` samples; return how many there were."""
        skipped = 0
        while found := len(self.read(min(count - skipped, SKIP_SAMPLES))):
            skipped += found
        return skipped

    @property
    def _format(self) -> str:
        return self._container.format.name.split(",")[0]

    def _promised(self) -> int | None:
        unit, start = self._stream.time_base, self._stream.start_time or 0
        if unit and self._stream.duration and self._format == "mov":
            return round(self._stream.duration * unit * self.rate)
        duration = self._container.duration
        if unit and duration and self._format in DECLARE_DURATION and len(self._container.streams) == 1:
            return round((Fraction(duration, av.time_base) - max(start, 0) * unit) * self.rate)
        return None  # of several tracks, the longest one counts

    def _timeline_of(self, first: list[AudioFrame], equal: bool) -> Timeline | None:
        # The first frame is shorter where the delay of the encoder was cut off.
        frame, position = first[-1], sum(frame.samples for frame in first[:-1])
        if frame.pts is None or not frame.time_base:
            return None
        return Timeline(frame.pts, position, frame.time_base * self.rate, frame.samples if equal else 1)

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except AudioError:
            raise
        except (av.FFmpegError, ValueError, RuntimeError, LookupError, OSError) as error:
            reason = str(getattr(error, "strerror", None) or error).strip().rstrip(".")
            raise AudioError(f"{self._source}: {what.format(self._kind)} ({reason})") from error


def _mono(frame: AudioFrame) -> Waveform:
    samples = frame.to_ndarray()  # (channel, sample), or (1, sample of a channel after the other)
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    kind = samples.dtype
    if kind.kind == "u":
        floats = (samples.astype(np.float32) - 128) / 128
    elif kind.kind == "i":
        floats = samples.astype(np.float32) / float(1 << 8 * kind.itemsize - 1)
    else:
        floats = samples.astype(np.float32, copy=False)
    mean: Waveform = floats.mean(axis=0)
    return mean


def _refuse(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    raise PermissionError("it refers to another file")
