"""Recognition without a Trainer."""
