"""Train your own speech-to-text model: conv-transformer CTC, many domains, one command line."""

__version__ = "0.1.0"
