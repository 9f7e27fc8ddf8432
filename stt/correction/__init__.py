"""A small network that reads what was recognized and writes what was probably said."""
