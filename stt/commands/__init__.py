"""The commands of `python -m stt`, one group a file."""
