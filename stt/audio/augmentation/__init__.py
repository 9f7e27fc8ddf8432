"""Augmentation: a policy set by one strength, and the transforms on the host and on the device."""
