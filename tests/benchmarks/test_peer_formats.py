from pathlib import Path

import pytest
from peer_formats import FORMATS, difference
from peer_networks import log_probs_of, tokenizer, with_torch_export

from stt.inference.untrained import build_untrained
from tests.conftest import MICRO


def test_exported_networks_compute_what_pytorch_computes_and_are_written_once(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    network = with_torch_export(*log_probs_of(build_untrained(MICRO, tokenizer())), time_axis=1)
    expected = FORMATS["PyTorch float32"](network, tmp_path)()
    for form, limit in {"ONNX Runtime float32": 1e-5, "ONNX Runtime int8": 0.05}.items():
        output = FORMATS[form](network, tmp_path)()
        assert difference(output, expected) < limit
    files = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert set(files) == {"float32.onnx", "int8.onnx"}
    assert (tmp_path / "int8.onnx").stat().st_size < 0.6 * (tmp_path / "float32.onnx").stat().st_size
    FORMATS["ONNX Runtime int8"](network, tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == files
