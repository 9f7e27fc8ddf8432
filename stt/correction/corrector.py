"""The corrector: rewrites texts that were recognized."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from stt.correction.network import PADDING, CorrectorNetwork
from stt.errors import InputError, reason
from stt.files import atomic_write
from stt.metrics.error_rate import character_error_rate
from stt.registry import read_checkpoint
from stt.text.tokenizer import Tokenizer

BATCH = 64  # texts
KEY = "corrector"  # of the description, in a file
VERSION = 1


class Corrector(nn.Module):
    """A sequence-to-sequence transformer over the pieces of a recognizer's tokenizer, which it carries with it."""

    def __init__(
        self,
        tokenizer: str,
        normalizer: str,
        d_model: int = 128,
        num_layers: int = 2,
        num_heads: int = 4,
        dropout: float = 0.1,
        most_changed: float = 0.6,
    ) -> None:
        """Set up.

        Args:
            tokenizer: of the recognizer, as the string that a checkpoint holds.
            normalizer: name of that of the recognizer.
            d_model: width.
            num_layers: of the encoder, and as many of the decoder.
            num_heads: of each attention.
            dropout: share of what is left out in training.
            most_changed: a correction that changes more than this share of a text's characters is not taken:
                the network has lost the thread.

        Raises:
            InputError: the tokenizer is not such a string.
        """
        super().__init__()
        self.description = {
            "version": VERSION,
            "tokenizer": tokenizer,
            "normalizer": normalizer,
            "d_model": d_model,
            "num_layers": num_layers,
            "num_heads": num_heads,
            "dropout": dropout,
            "most_changed": most_changed,
        }
        self.tokenizer = Tokenizer.from_string(tokenizer)
        self.normalizer = normalizer
        self.most_changed = most_changed
        self.network = CorrectorNetwork(self.tokenizer.vocab_size, d_model, num_layers, num_heads, dropout)

    @classmethod
    def load(cls, path: Path | str) -> Corrector:
        """Load a file of `corrector train`, with no code run from it.

        Raises:
            InputError: the file is missing or not such a file.
        """
        if not Path(path).is_file():
            raise InputError(f"{path}: there is no such corrector; make one with stt corrector train")
        content = read_checkpoint(path)
        # Version 0.1 wrote what the constructor was given, and two numbers of the training.
        given = content.get(KEY, content.get("hyper_parameters"))
        if not isinstance(given, dict) or "most_changed" not in given:
            raise InputError(f"{path}: not a corrector")
        if given.get("version", VERSION) != VERSION:
            raise InputError(f"{path}: a newer version of this project wrote this corrector")
        arguments = {name: value for name, value in given.items() if name not in ("version", "lr", "total_steps")}
        try:
            corrector = cls(**arguments)
            corrector.load_state_dict(content["state_dict"])
        except Exception as error:  # names and values of the file may be anything
            raise InputError(f"{path}: a damaged corrector ({reason(error)})") from error
        return corrector.eval()

    def save(self, path: Path | str) -> None:
        """Write a file that `load` reads."""
        with atomic_write(path) as temporary:
            torch.save({KEY: self.description, "state_dict": self.state_dict()}, temporary)

    def check(self, tokenizer: Tokenizer, normalizer: str) -> None:
        """See that a recognizer writes what this corrector reads.

        Raises:
            InputError: it has another tokenizer or another normalizer.
        """
        if tokenizer.content_hash != self.tokenizer.content_hash or normalizer != self.normalizer:
            raise InputError("the corrector was trained for a model with another tokenizer or normalizer")

    def correct(self, texts: Sequence[str]) -> list[str]:
        """Correct texts; what comes out otherwise than a text of the same sense could is left as it was."""
        corrected = list(texts)
        device = next(self.parameters()).device
        places = sorted((i for i, text in enumerate(texts) if text), key=lambda i: len(texts[i]))
        for start in range(0, len(places), BATCH):
            batch = places[start : start + BATCH]
            sources = [self.tokenizer.encode(texts[i]) for i in batch]
            longest = math.ceil(1.5 * max(map(len, sources))) + 5
            pieces, lengths = padded(sources)
            written = self.network.generate(pieces.to(device), lengths.to(device), longest)
            for i, tokens in zip(batch, written, strict=True):
                text = self.tokenizer.decode(tokens)
                if text and character_error_rate(texts[i], text) <= self.most_changed:
                    corrected[i] = text
        return corrected


def padded(texts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Pieces (batch, place) with `PADDING` behind each text, and lengths (batch,)."""
    tensors = [torch.tensor(list(text) or [PADDING]) for text in texts]
    lengths = torch.tensor([len(text) for text in texts])
    return pad_sequence(tensors, batch_first=True, padding_value=PADDING), lengths
