"""The recognizer without its training: build, load, save, transcribe and evaluate."""
