"""A transcription service over HTTP, as OpenAI defines it."""
