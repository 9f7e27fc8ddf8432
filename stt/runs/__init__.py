"""Outputs of a run: its folder, and the names of its metrics."""
