"""Open STT: its tables and their domains, its files and their sums."""
