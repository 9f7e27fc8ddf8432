"""Encoder and decoder of the corrector: transformers over pieces of text.

Source: Vaswani et al., "Attention Is All You Need", 2017, with rotary positions and norms before each part.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from stt.models.transformer import Transformer, feed_forward, rotary_angles, rotate
from stt.tensors import length_mask

PADDING = 0  # the tokenizer's blank, which no text holds; it also begins every target


class Cache(NamedTuple):
    """Keys and values (batch, head, place, head_size) of what a layer of the decoder has seen."""

    keys: Tensor
    values: Tensor


class CorrectorNetwork(nn.Module):
    """Maps pieces to pieces; the index behind the vocabulary ends a text."""

    def __init__(self, vocab_size: int, d_model: int, num_layers: int, num_heads: int, dropout: float) -> None:
        """Set up so many layers on both sides."""
        super().__init__()
        self.end = vocab_size
        self.head_size = d_model // num_heads
        self.embedding = nn.Embedding(vocab_size + 1, d_model)
        self.dropout = nn.Dropout(dropout)
        self.encoder = Transformer(d_model, num_layers, num_heads, dropout)
        self.decoder = nn.ModuleList(DecoderBlock(d_model, num_heads, dropout) for _ in range(num_layers))
        self.norm = nn.LayerNorm(d_model)
        nn.init.normal_(self.embedding.weight, std=d_model**-0.5)

    def forward(self, source: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
        """Give logits (batch, place, vocab + 1) of what follows each piece of target (batch, place).

        Args:
            source: pieces that were recognized (batch, place).
            lengths: how many of them are real (batch,).
            target: pieces so far, begun with `PADDING`.
        """
        memory, seen = self._encode(source, lengths)
        x = self.dropout(self._embed(target))
        rotation = rotary_angles(target.shape[1], self.head_size, target.device)
        for layer in self.decoder:
            block = cast(DecoderBlock, layer)
            x, _ = block(x, block.remember(memory), seen, rotation)
        return self._logits(x)

    @torch.inference_mode()
    def generate(self, source: Tensor, lengths: Tensor, longest: int) -> list[list[int]]:
        """Write the most probable piece after piece, at most `longest` of them, for each of a batch."""
        memory, seen = self._encode(source, lengths)
        blocks = [cast(DecoderBlock, layer) for layer in self.decoder]
        memories = [block.remember(memory) for block in blocks]
        caches: list[Cache | None] = [None] * len(self.decoder)
        rotation = rotary_angles(longest, self.head_size, source.device)
        piece = torch.full((len(source), 1), PADDING, device=source.device)
        written = []
        ended = torch.zeros(len(source), dtype=torch.bool, device=source.device)
        for place in range(longest):
            x = self._embed(piece)
            for i, block in enumerate(blocks):
                x, caches[i] = block(x, memories[i], seen, rotation[:, place : place + 1], caches[i])
            piece = self._logits(x).argmax(dim=-1)
            ended |= piece.squeeze(1) == self.end
            written.append(torch.where(ended, PADDING, piece.squeeze(1)))
            if bool(ended.all()):
                break
        rows: list[list[int]] = torch.stack(written, dim=1).tolist()
        return [[piece for piece in row if piece != PADDING] for row in rows]

    def _encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Memory (batch, place, d_model), and which of it may be looked at (batch, 1, 1, place)."""
        memory, _ = self.encoder(self.dropout(self._embed(source)), lengths)
        return memory, length_mask(lengths.clamp(min=1), source.shape[1])[:, None, None, :]

    def _embed(self, pieces: Tensor) -> Tensor:
        embedded: Tensor = self.embedding(pieces) * self.embedding.embedding_dim**0.5
        return embedded

    def _logits(self, x: Tensor) -> Tensor:
        return functional.linear(self.norm(x), self.embedding.weight)  # one table for reading and for writing


class DecoderBlock(nn.Module):
    """Attention to what was written, attention to what was read, feed-forward; each added to its input."""

    def __init__(self, d_model: int, num_heads: int, dropout: float) -> None:
        """Set up one block with a feed-forward part four times as wide."""
        super().__init__()
        self.num_heads = num_heads
        self.dropout = nn.Dropout(dropout)
        self.written_norm, self.read_norm = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.written_out, self.read_out = nn.Linear(d_model, d_model), nn.Linear(d_model, d_model)
        self.query, self.key_value = nn.Linear(d_model, d_model), nn.Linear(d_model, 2 * d_model)
        self.feed_forward = feed_forward(d_model, dropout)

    def remember(self, memory: Tensor) -> Cache:
        """Keys and values of what was read, memory (batch, place, d_model): the same for every piece written."""
        keys, values = self._heads(self.key_value(memory), 2)
        return Cache(keys, values)

    def forward(
        self, x: Tensor, memory: Cache, seen: Tensor, rotation: Tensor, cache: Cache | None = None
    ) -> tuple[Tensor, Cache]:
        """Map x (batch, place, d_model); with a cache, x is what follows it. Gives the cache with x in it too."""
        query, keys, values = self._heads(self.qkv(self.written_norm(x)), 3)
        query, keys = rotate(query, rotation), rotate(keys, rotation)
        if cache is not None:
            keys, values = torch.cat((cache.keys, keys), dim=2), torch.cat((cache.values, values), dim=2)
        causal = cache is None and x.shape[1] > 1
        attended = functional.scaled_dot_product_attention(query, keys, values, is_causal=causal)
        x = x + self.dropout(self.written_out(_joined(attended)))
        (query,) = self._heads(self.query(self.read_norm(x)), 1)
        attended = functional.scaled_dot_product_attention(query, memory.keys, memory.values, attn_mask=seen)
        x = x + self.dropout(self.read_out(_joined(attended)))
        return torch.add(x, self.feed_forward(x)), Cache(keys, values)

    def _heads(self, x: Tensor, parts: int) -> Tensor:
        """Split (batch, place, parts * d_model) into (parts, batch, head, place, head_size)."""
        batch, places, _ = x.shape
        return x.view(batch, places, parts, self.num_heads, -1).permute(2, 0, 3, 1, 4)


def _joined(heads: Tensor) -> Tensor:
    return heads.transpose(1, 2).flatten(2)
