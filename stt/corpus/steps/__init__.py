"""Steps over a corpus that need no recognizer, one per file: see `stt.curation.steps`."""
