"""What a person looks at after training: pictures and lists made of a run folder."""
