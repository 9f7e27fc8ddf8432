"""Reading audio, features and augmentation."""
