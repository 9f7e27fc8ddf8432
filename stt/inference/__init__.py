"""What is done with a finished recognizer; no Lightning."""
