"""The corrector: rewrites recognized texts to fix errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from stt.checkpoint import check_weights, read_checkpoint
from stt.correction.network import PADDING, CorrectorNetwork
from stt.errors import InputError, reason
from stt.files import atomic_write
from stt.metrics.error_rate import character_error_rate
from stt.text.tokenizer import Tokenizer

BATCH = 64  # texts
KEY = "corrector"  # of the description in a file
VERSION = 1


class Corrector(nn.Module):
    """Sequence-to-sequence transformer over the pieces of the recognizer's tokenizer, which it contains."""

    def __init__(
        self,
        tokenizer: str,
        normalizer: str,
        d_model: int = 128,
        num_layers: int = 2,
        num_heads: int = 4,
        dropout: float = 0.1,
        max_change: float = 0.6,
    ) -> None:
        """Build the corrector.

        Args:
            tokenizer: the recognizer's, in the string form stored in checkpoints.
            normalizer: name of the recognizer's normalizer.
            d_model: width of the transformer.
            num_layers: number of layers in the encoder, and in the decoder.
            num_heads: number of attention heads.
            dropout: dropout probability.
            max_change: corrections that change more than this share of a text's characters are rejected as
                degenerate.

        Raises:
            InputError: the tokenizer string is invalid.
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
            "max_change": max_change,
        }
        self.tokenizer = Tokenizer.from_string(tokenizer)
        self.normalizer = normalizer
        self.max_change = max_change
        self.network = CorrectorNetwork(self.tokenizer.vocab_size, d_model, num_layers, num_heads, dropout)

    @classmethod
    def load(cls, path: Path | str) -> Corrector:
        """Load a file written by `stt corrector train`; no code in the file is executed.

        Raises:
            InputError: the file is missing, damaged or not a corrector.
        """
        if not Path(path).is_file():
            raise InputError(f"{path}: no such corrector; create one with stt corrector train")
        content = read_checkpoint(path)
        # Version 0.1 stored the constructor arguments and two training settings, and called max_change most_changed.
        given = content.get(KEY, content.get("hyper_parameters"))
        if not isinstance(given, dict) or not {"max_change", "most_changed"} & set(given):
            raise InputError(f"{path}: not a corrector")
        if given.get("version", VERSION) != VERSION:
            raise InputError(f"{path}: written by a newer version of this project")
        arguments = {name: value for name, value in given.items() if name not in ("version", "lr", "total_steps")}
        if "most_changed" in arguments:
            arguments["max_change"] = arguments.pop("most_changed")
        try:
            corrector = cls(**arguments)
            corrector.load_state_dict(content["state_dict"])
            check_weights(corrector)
        except Exception as error:  # names and values of the file may be anything
            raise InputError(f"{path}: damaged corrector ({reason(error)})") from error
        return corrector.eval()

    def save(self, path: Path | str) -> None:
        """Write a file for `load`."""
        with atomic_write(path) as temporary:
            torch.save({KEY: self.description, "state_dict": self.state_dict()}, temporary)

    def check(self, tokenizer: Tokenizer, normalizer: str) -> None:
        """Check that this corrector fits a recognizer.

        Raises:
            InputError: the recognizer has another tokenizer or normalizer.
        """
        if tokenizer.content_hash != self.tokenizer.content_hash or normalizer != self.normalizer:
            raise InputError("the corrector was trained for a model with another tokenizer or normalizer")

    def correct(self, texts: Sequence[str]) -> list[str]:
        """Correct texts; a text whose correction is empty or changes too much is returned unchanged."""
        corrected = list(texts)
        device = next(self.parameters()).device
        indices = sorted((i for i, text in enumerate(texts) if text), key=lambda i: len(texts[i]))
        for start in range(0, len(indices), BATCH):
            batch = indices[start : start + BATCH]
            sources = [self.tokenizer.encode(texts[i]) for i in batch]
            max_length = math.ceil(1.5 * max(map(len, sources))) + 5
            pieces, lengths = pad_pieces(sources)
            outputs = self.network.generate(pieces.to(device), lengths.to(device), max_length)
            for i, tokens in zip(batch, outputs, strict=True):
                text = self.tokenizer.decode(tokens)
                if text and character_error_rate(texts[i], text) <= self.max_change:
                    corrected[i] = text
        return corrected


def pad_pieces(texts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Return pieces (batch, position), padded with `PADDING`, and lengths (batch,)."""
    tensors = [torch.tensor(list(text) or [PADDING]) for text in texts]
    lengths = torch.tensor([len(text) for text in texts])
    return pad_sequence(tensors, batch_first=True, padding_value=PADDING), lengths
