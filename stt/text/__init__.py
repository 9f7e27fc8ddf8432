"""Text normalizers and the tokenizer."""
