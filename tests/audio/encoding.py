"""Files in the formats that FFmpeg writes, made by PyAV."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
FRAME_SAMPLES = 2048


def chirp(rate: int, seconds: float) -> np.ndarray:
    """A tone that rises from 100 to 3,000 Hz (sample,): no two windows of it are alike."""
    time = np.arange(int(rate * seconds)) / rate
    return (0.5 * np.sin(2 * np.pi * (100 * time + 1450 * time**2 / seconds))).astype(np.float32)


def encode(path: Path, codec: str, waveform: np.ndarray, rate: int, video_seconds: int = 0, **options: str) -> Path:
    """Write a waveform (sample,) or (channel, sample), with a black video if it is to last some seconds."""
    channels = np.atleast_2d(waveform)
    with av.open(path, "w", options=options) as container:
        picture = video_stream(container) if video_seconds else None
        # Noise that a decoder makes up (PNS) would differ after a seek.
        stream = container.add_stream(codec, rate=rate, options={"aac_pns": "0"} if codec == "aac" else {})
        assert isinstance(stream, AudioStream)
        stream.layout = LAYOUTS[len(channels)]
        if codec == "aac" or codec.startswith("wma"):
            stream.bit_rate = 4 * rate * len(channels)
        container.start_encoding()
        if picture:
            write_video(container, picture, video_seconds)
        resampler = av.AudioResampler(stream.format.name, stream.layout, rate)
        for start in range(0, channels.shape[1], FRAME_SAMPLES):
            block = channels[:, start : start + FRAME_SAMPLES].astype(np.float32)
            if codec.startswith("wma"):  # its encoder takes whole frames only
                block = np.pad(block, ((0, 0), (0, FRAME_SAMPLES - block.shape[1])))
            frame = av.AudioFrame.from_ndarray(block.T.reshape(1, -1), "flt", stream.layout.name)
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            for converted in resampler.resample(frame):
                container.mux(stream.encode(converted))
        container.mux(stream.encode(None))
    return path


def video_stream(container: OutputContainer) -> VideoStream:
    stream = container.add_stream("mpeg4", rate=25)
    stream.width = stream.height = 64
    stream.pix_fmt = "yuv420p"
    return stream


def write_video(container: OutputContainer, stream: VideoStream, seconds: int) -> None:
    for index in range(25 * seconds):
        frame = av.VideoFrame(64, 64, "yuv420p")
        frame.pts = index
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def video_without_sound(path: Path) -> Path:
    """Write a second of video."""
    with av.open(path, "w") as container:
        write_video(container, video_stream(container), 1)
    return path


def without_packets(path: Path, out: Path, start: float, end: float) -> Path:
    """Copy a file without the packets between two times, seconds; the timestamps of the others are kept."""
    with av.open(path) as source, av.open(out, "w") as container:
        stream = container.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.pts is not None and not start <= packet.pts * packet.time_base < end:
                packet.stream = stream
                container.mux(packet)
    return out
