"""A recognizer as an ONNX graph, traced with torch's TorchScript exporter.

Tracing takes a second, writes a recurrent layer as a single node, and fixes every decision that Python code takes from
a length. So whatever is traced is compared with the checkpoint at many lengths (`stt.inference.check`), and our own
front end is written anew for the graph (`stt.inference.graph_features`).
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from stt.audio.features import FrontEnd, LogMel
from stt.errors import InputError, reason
from stt.inference.graph_features import GraphLogMel
from stt.models.layers import MaskedConv1d
from stt.recognition.recognizer import Recognizer

OPSET = 18  # read by ONNX Runtime since 1.14 (2023) and by sherpa-onnx; nothing newer is needed
EXAMPLE_SECONDS = (7.3, 5.1)  # of the utterances that are traced; longer than every span of the normalization


class WaveformNetwork(nn.Module):
    """From waveforms (batch, sample) and lengths (batch,) to log_probs (batch, frame, vocab) and frames (batch,)."""

    def __init__(self, recognizer: Recognizer) -> None:
        """Use the parts of a recognizer."""
        super().__init__()
        self.features: FrontEnd = recognizer.features
        if isinstance(recognizer.features, LogMel):
            self.features = GraphLogMel(recognizer.features)
        self.recognizer = recognizer

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute log_probs and frames."""
        return self.recognizer.log_probs(*self.features(waveforms, lengths))


class LogMelNetwork(nn.Module):
    """From log-mel energies (batch, mel, frame) and frames (batch,) to log_probs (batch, frame, vocab) and frames."""

    def __init__(self, recognizer: Recognizer, features: LogMel) -> None:
        """Use the network of a recognizer, and the normalization of its front end."""
        super().__init__()
        self.normalize = GraphLogMel(features).normalize
        self.recognizer = recognizer
        self.stride = recognizer.frame_samples // features.hop_length

    def forward(self, energies: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Compute log_probs and frames."""
        log_probs, output_frames = self.recognizer.log_probs(self.normalize(energies.transpose(1, 2), frames), frames)
        return whole_frames(log_probs, output_frames, frames // self.stride, self.recognizer.tokenizer.blank_id)


def whole_frames(log_probs: Tensor, frames: Tensor, whole: Tensor, blank_id: int) -> tuple[Tensor, Tensor]:
    """Leave out a frame of log_probs (batch, frame, vocab) where one more than `whole` (batch,) is there.

    sherpa-onnx reads no output frame that stands for an incomplete number of feature frames, so the last token of many
    utterances would be lost. Left out is the latest frame without which greedy decoding gives the same tokens: a
    repeat, or a blank that is not between equal tokens.
    """
    tokens = log_probs.argmax(dim=-1)
    blank = torch.full_like(tokens[:, :1], blank_id)
    place = torch.arange(log_probs.shape[1], device=log_probs.device).unsqueeze(0)
    last = whole.unsqueeze(1)
    before = torch.cat([blank, tokens[:, :-1]], dim=1)
    after = torch.where(place < last, torch.cat([tokens[:, 1:], blank], dim=1), blank)
    between_equals = (before == after) & (before != blank_id)
    superfluous = (tokens == before) | ((tokens == blank_id) & ~between_equals)
    left_out = (
        torch.where(superfluous & (place <= last), place, torch.zeros_like(place)).max(dim=1, keepdim=True).values
    )
    more = (frames > whole) & (whole > 0)
    source = place + (more.unsqueeze(1) & (place >= left_out)).long()
    source = torch.minimum(source, place.max()).unsqueeze(-1).expand(-1, -1, log_probs.shape[2])
    return log_probs.gather(1, source), frames - more.long()


class PointwiseProduct(MaskedConv1d):
    """A pointwise convolution as a matrix product, which is what int8 makes faster."""

    def __init__(self, conv: MaskedConv1d) -> None:
        """Compute the same as a convolution with a kernel of one frame."""
        super().__init__(conv.in_channels, conv.out_channels, 1, conv.stride[0])
        self.weight = conv.weight

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channel, frame)."""
        return nn.functional.linear(x[:, :, :: self.stride[0]].transpose(1, 2), self.weight[:, :, 0]).transpose(1, 2)


def with_products(recognizer: Recognizer) -> Recognizer:
    """Return a copy of a recognizer whose pointwise convolutions are matrix products."""
    changed = copy.deepcopy(recognizer)
    for module in list(changed.modules()):
        for name, part in list(module.named_children()):
            if isinstance(part, MaskedConv1d) and part.kernel_size == (1,) and part.groups == 1:
                setattr(module, name, PointwiseProduct(part))
    return changed


def write_waveform_graph(recognizer: Recognizer, path: Path) -> None:
    """Write a graph from waveforms and lengths to log_probs and frames.

    Raises:
        InputError: the front end or the encoder cannot be written as one.
    """
    example = _example(recognizer.sample_rate)
    _trace(WaveformNetwork(recognizer), example, {"waveforms": "sample", "lengths": ""}, path)


def write_log_mel_graph(recognizer: Recognizer, path: Path) -> None:
    """Write a graph from log-mel energies (batch, mel, frame) and frames to log_probs and frames.

    Raises:
        InputError: the front end is another than `LogMel`, or the encoder cannot be written as a graph.
    """
    features = recognizer.features
    if not isinstance(features, LogMel):
        raise InputError(f"features outside of the graph must be LogMel, not {type(features).__name__}")
    waveforms, lengths = _example(recognizer.sample_rate)
    with torch.inference_mode():
        energies = features.log_mel(waveforms, lengths).transpose(1, 2)
    # Inference tensors cannot be traced.
    arguments = (energies.clone(), features.output_lengths(lengths))
    _trace(LogMelNetwork(recognizer, features), arguments, {"features": "frame", "lengths": ""}, path)


def _example(sample_rate: int) -> tuple[Tensor, Tensor]:
    """Return noise (batch, sample), zero after its lengths (batch,)."""
    lengths = torch.tensor([round(seconds * sample_rate) for seconds in EXAMPLE_SECONDS])
    noise = 0.1 * torch.randn((len(lengths), int(lengths.max())), generator=torch.Generator().manual_seed(0))
    for waveform, length in zip(noise, lengths.tolist(), strict=True):
        waveform[length:] = 0
    return noise, lengths


def _trace(network: nn.Module, arguments: Sequence[Tensor], inputs: Mapping[str, str], path: Path) -> None:
    """Write a network; `inputs` maps names to the dimension of variable size beside the batch, the last one."""
    axes = {
        name: {0: "batch"} | ({argument.ndim - 1: size} if size else {})
        for (name, size), argument in zip(inputs.items(), arguments, strict=True)
    }
    outputs = {"log_probs": {0: "batch", 1: "output_frame"}, "frames": {0: "batch"}}
    name = type(network.recognizer.encoder).__name__  # type: ignore[union-attr]
    try:
        with torch.no_grad(), warnings.catch_warnings(action="ignore"):  # about lengths, which are checked
            torch.onnx.export(
                network.eval(),
                tuple(arguments),
                str(path),
                dynamo=False,
                opset_version=OPSET,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_axes=axes | outputs,
            )
    except ModuleNotFoundError:
        raise
    except Exception as error:  # of the user's own encoder or front end, or of the exporter
        raise InputError(f"{name} and its front end cannot be written as an ONNX graph ({reason(error)})") from error
