"""The curriculum: an adaptive sampler that keeps the CER of what is trained on at a target."""
