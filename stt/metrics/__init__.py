"""Error rates by domain, alignments and confusions."""
