"""What is done with a trained model, without training it: it runs as a service."""
