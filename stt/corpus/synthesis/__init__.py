"""Speech synthesized by espeak-ng, with rooms, noise and channels: for the demo, and from the user's texts."""
