"""Alignment of long recordings with their texts: hours of audio and a rough transcript into utterances."""
