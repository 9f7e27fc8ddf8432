"""The formats in which `peers.py` runs a network: PyTorch, compiled, and ONNX Runtime; always one thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from peer_networks import Network

from stt.files import atomic_write

Array = npt.NDArray[np.float32]
Run = Callable[[], Array]


def torch_float32(network: Network, folder: Path) -> Run:
    """Run the module as it is."""

    def run() -> Array:
        with torch.no_grad():
            return _array(network.module(*network.inputs))

    return run


def torch_bfloat16(network: Network, folder: Path) -> Run:
    """Run the module as it is, in bfloat16 where autocast allows it."""
    return _autocast(network.module, network)


def compiled_bfloat16(network: Network, folder: Path) -> Run:
    """Run the module compiled by Inductor, with its weights as constants, in bfloat16 where autocast allows it."""
    from torch._inductor import config

    config.freezing = True  # weights are converted and packed once
    return _autocast(torch.compile(network.module, dynamic=False), network)


def _autocast(module: Callable[..., torch.Tensor], network: Network) -> Run:
    def run() -> Array:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            return _array(module(*network.inputs))

    return run


def onnx_float32(network: Network, folder: Path) -> Run:
    """Run what the package exports."""
    return _session(written(folder / "float32.onnx", network.export), network)


def onnx_int8(network: Network, folder: Path) -> Run:
    """Run what the package exports with matrix products in int8: weights quantized once, activations as they come."""
    from stt.inference.quantization import quantize

    own = network.export_for_int8
    source = written(folder / "for_int8.onnx", own) if own else written(folder / "float32.onnx", network.export)
    return _session(written(folder / "int8.onnx", lambda path: quantize(source, path)), network)


FORMATS: dict[str, Callable[[Network, Path], Run]] = {
    "PyTorch float32": torch_float32,
    "PyTorch bfloat16": torch_bfloat16,
    "torch.compile bfloat16": compiled_bfloat16,
    "ONNX Runtime float32": onnx_float32,
    "ONNX Runtime int8": onnx_int8,
}


def written(path: Path, write: Callable[[Path], None]) -> Path:
    """Write a file, unless it is there, and return its path."""
    if not path.exists():
        with torch.no_grad(), atomic_write(path) as temporary:
            write(temporary)
    return path


def _session(path: Path, network: Network) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]  # an input that the graph does not use is dropped
    feed = {name: value.numpy() for name, value in zip(names, network.inputs, strict=False)}

    def run() -> Array:
        return np.asarray(session.run(None, feed)[0], np.float32)

    return run


def _array(output: torch.Tensor) -> Array:
    return np.asarray(output.float().numpy())


def difference(output: Array, reference: Array) -> float:
    """Return the norm of the difference of two outputs, relative to that of the reference; nan if shapes differ."""
    if output.shape != reference.shape:
        return float("nan")
    return float(np.linalg.norm(output - reference) / np.linalg.norm(reference))
