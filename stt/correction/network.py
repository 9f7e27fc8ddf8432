"""Encoder-decoder transformer of the corrector, over pieces of text.

Source: Vaswani et al., "Attention Is All You Need", 2017, pre-norm, with rotary position embeddings.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from stt.models.layers import Transformer, feed_forward, rotary_angles, rotate
from stt.tensors import length_mask

PADDING = 0  # the tokenizer's blank, which never occurs in text; it also starts every target


class Cache(NamedTuple):
    """Cached keys and values (batch, head, position, head_size) of a decoder layer."""

    keys: Tensor
    values: Tensor


class CorrectorNetwork(nn.Module):
    """Maps pieces to pieces; the index after the vocabulary marks the end of a text."""

    def __init__(self, vocab_size: int, d_model: int, num_layers: int, num_heads: int, dropout: float) -> None:
        """Build `num_layers` layers each for encoder and decoder."""
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
        """Return logits (batch, position, vocab + 1) of the piece that follows each piece of target (batch, position).

        Args:
            source: recognized pieces (batch, position).
            lengths: number of valid source pieces (batch,).
            target: pieces so far, starting with `PADDING`.
        """
        memory, mask = self._encode(source, lengths)
        x = self.dropout(self._embed(target))
        rotation = rotary_angles(target.shape[1], self.head_size, target.device)
        for layer in self.decoder:
            block = cast(DecoderBlock, layer)
            x, _ = block(x, block.memory_cache(memory), mask, rotation)
        return self._logits(x)

    @torch.inference_mode()
    def generate(self, source: Tensor, lengths: Tensor, max_length: int) -> list[list[int]]:
        """Decode a batch greedily, with at most `max_length` pieces per text."""
        memory, mask = self._encode(source, lengths)
        blocks = [cast(DecoderBlock, layer) for layer in self.decoder]
        memories = [block.memory_cache(memory) for block in blocks]
        caches: list[Cache | None] = [None] * len(self.decoder)
        rotation = rotary_angles(max_length, self.head_size, source.device)
        piece = torch.full((len(source), 1), PADDING, device=source.device)
        generated = []
        ended = torch.zeros(len(source), dtype=torch.bool, device=source.device)
        for position in range(max_length):
            x = self._embed(piece)
            for i, block in enumerate(blocks):
                x, caches[i] = block(x, memories[i], mask, rotation[:, position : position + 1], caches[i])
            piece = self._logits(x).argmax(dim=-1)
            ended |= piece.squeeze(1) == self.end
            generated.append(torch.where(ended, PADDING, piece.squeeze(1)))
            if bool(ended.all()):
                break
        rows: list[list[int]] = torch.stack(generated, dim=1).tolist()
        return [[piece for piece in row if piece != PADDING] for row in rows]

    def _encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the encoder output (batch, position, d_model) and its attention mask (batch, 1, 1, position)."""
        memory, _ = self.encoder(self.dropout(self._embed(source)), lengths)
        return memory, length_mask(lengths.clamp(min=1), source.shape[1])[:, None, None, :]

    def _embed(self, pieces: Tensor) -> Tensor:
        embedded: Tensor = self.embedding(pieces) * self.embedding.embedding_dim**0.5
        return embedded

    def _logits(self, x: Tensor) -> Tensor:
        return functional.linear(self.norm(x), self.embedding.weight)  # tied input and output embeddings


class DecoderBlock(nn.Module):
    """Self-attention (`written_*`), cross-attention (`read_*`) and feed-forward, each with a residual connection."""

    def __init__(self, d_model: int, num_heads: int, dropout: float) -> None:
        """Build a block whose feed-forward part is four times as wide."""
        super().__init__()
        self.num_heads = num_heads
        self.dropout = nn.Dropout(dropout)
        self.written_norm, self.read_norm = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.written_out, self.read_out = nn.Linear(d_model, d_model), nn.Linear(d_model, d_model)
        self.query, self.key_value = nn.Linear(d_model, d_model), nn.Linear(d_model, 2 * d_model)
        self.feed_forward = feed_forward(d_model, dropout)

    def memory_cache(self, memory: Tensor) -> Cache:
        """Return keys and values of the encoder output (batch, position, d_model), the same for every decoding step."""
        keys, values = self._heads(self.key_value(memory), 2)
        return Cache(keys, values)

    def forward(
        self, x: Tensor, memory: Cache, mask: Tensor, rotation: Tensor, cache: Cache | None = None
    ) -> tuple[Tensor, Cache]:
        """Map x (batch, position, d_model), which follows the cached positions; also return the extended cache."""
        query, keys, values = self._heads(self.qkv(self.written_norm(x)), 3)
        query, keys = rotate(query, rotation), rotate(keys, rotation)
        if cache is not None:
            keys, values = torch.cat((cache.keys, keys), dim=2), torch.cat((cache.values, values), dim=2)
        causal = cache is None and x.shape[1] > 1
        attended = functional.scaled_dot_product_attention(query, keys, values, is_causal=causal)
        x = x + self.dropout(self.written_out(_merge_heads(attended)))
        (query,) = self._heads(self.query(self.read_norm(x)), 1)
        attended = functional.scaled_dot_product_attention(query, memory.keys, memory.values, attn_mask=mask)
        x = x + self.dropout(self.read_out(_merge_heads(attended)))
        return torch.add(x, self.feed_forward(x)), Cache(keys, values)

    def _heads(self, x: Tensor, parts: int) -> Tensor:
        """Split (batch, position, parts * d_model) into (parts, batch, head, position, head_size)."""
        batch, positions, _ = x.shape
        return x.view(batch, positions, parts, self.num_heads, -1).permute(2, 0, 3, 1, 4)


def _merge_heads(heads: Tensor) -> Tensor:
    return heads.transpose(1, 2).flatten(2)
