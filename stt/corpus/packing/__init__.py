"""Packing: the audio of a manifest in tar files that are read in order and at random."""
