"""What self-contained pages are made of: templates, and pictures and audio embedded as data URIs."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import jinja2
import matplotlib.pyplot as plt
from markupsafe import Markup
from matplotlib.figure import Figure

from stt.audio.io import AudioError, encode_flac, read_audio
from stt.audio.source import AudioSource
from stt.metrics.alignment import deletion_html, insertion_html
from stt.metrics.domain_metric import format_value

PLAYBACK_RATE = 16_000  # Hz


def template(name: str) -> jinja2.Template:
    """Load a template of this folder; values are escaped, and `percent` and `figure` format numbers."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters["percent"] = lambda value: "–" if value is None else f"{100 * value:.2f}"
    environment.filters["figure"] = lambda cell: "–" if cell is None else format_value(cell[0], cell[1]["unit"])
    return environment.get_template(name)


def legend() -> Markup:
    """Return the legend of aligned texts."""
    return Markup(f"{deletion_html('reference only')} {insertion_html('hypothesis only')}")


def flac_uri(source: AudioSource, offset: float, seconds: float | None) -> str | None:
    """Return audio as a data URI; None if it cannot be read.

    Args:
        source: the audio.
        offset: start, seconds.
        seconds: how much of it; None for all.
    """
    try:
        waveform = read_audio(source, PLAYBACK_RATE, offset, seconds)
    except AudioError:
        return None
    return "data:audio/flac;base64," + base64.b64encode(encode_flac(waveform, PLAYBACK_RATE)).decode()


def svg_uri(figure: Figure | None) -> str | None:
    """Return a figure as a data URI, and close it."""
    if figure is None:
        return None
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    plt.close(figure)
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
