"""The commands of `stt`, one group a file."""
