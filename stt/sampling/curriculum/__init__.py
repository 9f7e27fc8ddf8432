"""The curriculum: an adaptive sampler that keeps the CER of the training batches at a target."""
