"""Normalizers and tokenizers."""
