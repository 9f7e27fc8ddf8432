"""The folder that sherpa-onnx reads as a "NeMo CTC" model: features outside, tokens in a text file.

sherpa-onnx computes log-mel energies as `LogMel` does, but normalizes them in other ways, so that normalization is part
of the graph. Source: its `OfflineRecognizer.from_nemo_ctc`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from stt.audio.features import LogMel
from stt.audio.io import Waveform
from stt.errors import InputError
from stt.inference.check import Compute
from stt.inference.folder import MODEL, TOKENS
from stt.inference.graph import whole_frames, write_log_mel_graph
from stt.recognition.acoustic_model import Lengths, LogProbs
from stt.recognition.recognizer import Recognizer

WINDOW_SECONDS, HOP_SECONDS = 0.025, 0.010  # of the features of sherpa-onnx
BLANK = "<blk>"


def write_sherpa(recognizer: Recognizer, folder: Path) -> None:
    """Write `model.onnx` with metadata, and `tokens.txt`.

    Raises:
        InputError: the front end is not that of sherpa-onnx, or frames are not whole multiples of its frames.
    """
    features = recognizer.features
    if not isinstance(features, LogMel) or not _is_usual(features):
        raise InputError(
            f"sherpa-onnx computes its features by itself: LogMel with windows of {WINDOW_SECONDS:g} s every "
            f"{HOP_SECONDS:g} s, and this checkpoint has others; export it with --format onnx"
        )
    if recognizer.frame_samples % features.hop_length:
        raise InputError("sherpa-onnx needs output frames that are whole multiples of its feature frames")
    write_log_mel_graph(recognizer, folder / MODEL)
    graph = onnx.load(str(folder / MODEL))
    metadata = {
        "vocab_size": recognizer.tokenizer.vocab_size,
        "subsampling_factor": recognizer.frame_samples // features.hop_length,
        "normalize_type": "",  # it is in the graph
        "model_type": "EncDecCTCModelBPE",
    }
    onnx.helper.set_model_props(graph, {name: str(value) for name, value in metadata.items()})
    onnx.save(graph, str(folder / MODEL))
    pieces = [BLANK, *recognizer.tokenizer.pieces[1:]]
    (folder / TOKENS).write_text("".join(f"{piece} {i}\n" for i, piece in enumerate(pieces)), encoding="utf-8")


def compute_energies(recognizer: Recognizer, session: onnxruntime.InferenceSession) -> Compute:
    """Return the function from waveforms to log_probs that runs our features and the network of a session."""
    features = recognizer.features
    assert isinstance(features, LogMel)

    def compute(waveforms: Waveform, lengths: Lengths) -> tuple[LogProbs, Lengths]:
        with torch.inference_mode():
            energies = features.log_mel(torch.from_numpy(waveforms), torch.from_numpy(lengths)).transpose(1, 2)
            frames = features.output_lengths(torch.from_numpy(lengths))
        inputs = {"features": np.ascontiguousarray(energies.numpy()), "lengths": frames.numpy()}
        log_probs, output_frames = session.run(None, inputs)
        return log_probs, output_frames

    return compute


def compute_whole_frames(recognizer: Recognizer) -> Compute:
    """Return the function from waveforms to the log_probs of a recognizer that sherpa-onnx should read."""
    features = recognizer.features
    assert isinstance(features, LogMel)
    stride = recognizer.frame_samples // features.hop_length

    def compute(waveforms: Waveform, lengths: Lengths) -> tuple[LogProbs, Lengths]:
        log_probs, frames = recognizer.compute(waveforms, lengths)
        whole = features.output_lengths(torch.from_numpy(lengths)) // stride
        blank = recognizer.tokenizer.blank_id
        kept, kept_frames = whole_frames(torch.from_numpy(log_probs), torch.from_numpy(frames), whole, blank)
        return kept.numpy(), kept_frames.numpy()

    return compute


def _is_usual(features: LogMel) -> bool:
    rate = features.sample_rate
    return len(features.window) == round(WINDOW_SECONDS * rate) and features.hop_length == round(HOP_SECONDS * rate)
