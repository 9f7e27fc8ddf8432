"""What a run tells the world: loggers, Weights & Biases, its dashboard."""
