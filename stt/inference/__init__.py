"""What is done with a trained model without training it: exports, their use without torch, speed, a service."""
