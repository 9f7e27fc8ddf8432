"""A recognizer apart from its training: built, loaded, saved, used and evaluated."""
