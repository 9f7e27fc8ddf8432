"""The commands of `stt`, one group per file."""
