"""The formats in which `peers.py` runs a network: PyTorch, compiled, and ONNX Runtime; always one thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from peer_networks import Network

Array = npt.NDArray[np.float32]
Run = Callable[[], Array]


def torch_float32(network: Network, folder: Path) -> Run:
    """Run the module as it is."""

    def run() -> Array:
        with torch.no_grad():
            return _array(network.module(*network.inputs))

    return run


def compiled_bfloat16(network: Network, folder: Path) -> Run:
    """Run the module compiled by Inductor, with its weights as constants, and in bfloat16 where autocast allows it."""
    from torch._inductor import config

    config.freezing = True  # weights are converted and packed once
    compiled: Any = torch.compile(network.module, dynamic=False)

    def run() -> Array:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            return _array(compiled(*network.inputs))

    return run


def onnx_float32(network: Network, folder: Path) -> Run:
    """Run what the package exports."""
    return _session(exported(network, folder), network)


def onnx_int8(network: Network, folder: Path) -> Run:
    """Run what the package exports, with the weights of matrix products in int8, quantized as they are used."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    source, path = exported(network, folder), folder / "int8.onnx"
    if not path.exists():
        quantize_dynamic(source, path, op_types_to_quantize=["MatMul"], weight_type=QuantType.QInt8, per_channel=True)
    return _session(path, network)


FORMATS: dict[str, Callable[[Network, Path], Run]] = {
    "PyTorch float32": torch_float32,
    "torch.compile bfloat16": compiled_bfloat16,
    "ONNX Runtime float32": onnx_float32,
    "ONNX Runtime int8": onnx_int8,
}


def exported(network: Network, folder: Path) -> Path:
    """Export the network, unless that has been done."""
    path = folder / "float32.onnx"
    if not path.exists():
        with torch.no_grad():
            network.export(path)
    return path


def _session(path: Path, network: Network) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.set_denormal_as_zero", "1")  # as `torch.set_flush_denormal`
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
