"""What a run leaves behind: its folder, and the names of its metrics."""
