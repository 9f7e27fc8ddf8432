"""Manifests: reading, writing, importing and splitting."""
