"""What is trained on next: numpy only, no torch and no Lightning."""
