"""Experiment tracking: loggers, Weights & Biases, the dashboard."""
