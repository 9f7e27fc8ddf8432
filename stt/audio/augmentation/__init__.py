"""The augmentation: what its one strength means, and the two places where it runs."""
