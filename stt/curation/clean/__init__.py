"""Cleaning a corpus: figures of every utterance, rules with limits that judge them, and what was kept and why."""
