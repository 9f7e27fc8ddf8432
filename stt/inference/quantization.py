"""Matrix products of an ONNX graph in int8; weights are quantized once, activations as they come."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

FRONT_END = "/features/"  # how the names of its nodes begin: that of the module in `WaveformNetwork`


def quantize(source: Path, target: Path) -> None:
    """Write a graph whose products with constant matrices are in int8, all but those of the front end.

    Of the product with the mel filter bank, int8 would leave nothing: energies span ten orders of magnitude.
    Convolutions stay in float32 as well; in int8 they were slower.
    """
    nodes = onnx.load(str(source)).graph.node
    quantize_dynamic(
        source,
        target,
        op_types_to_quantize=["MatMul"],
        nodes_to_exclude=[node.name for node in nodes if node.name.startswith(FRONT_END)],
        per_channel=True,
        weight_type=QuantType.QInt8,
        extra_options={"MatMulConstBOnly": True},
    )
