"""Manifests and how they are made."""
