"""What a person decides on utterances."""
