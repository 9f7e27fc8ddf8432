r"""Training: the Lightning module and data module, their callbacks, and what W\&B is told."""
