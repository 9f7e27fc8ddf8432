"""Corpora made better with a recognizer: what needs more than the audio and the texts. No Lightning."""
