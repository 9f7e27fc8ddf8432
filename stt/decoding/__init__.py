"""Decoding: from log-probabilities to text."""
