"""Models outside the project: exports for ONNX Runtime and sherpa-onnx, and inference from them without torch."""
