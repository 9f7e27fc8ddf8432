"""Models outside the project: exports, inference from them without torch, and the speed of inference."""
