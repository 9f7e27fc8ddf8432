"""Pre-norm transformer blocks with rotary position embeddings (Su et al., "RoFormer", 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from stt.errors import InputError
from stt.tensors import length_mask


class Transformer(nn.Module):
    """Stack of attention and feed-forward blocks that preserves lengths and does not attend to padding."""

    def __init__(self, d_model: int, num_layers: int, num_heads: int, dropout: float) -> None:
        """Build the stack.

        Raises:
            InputError: `d_model` is not an even multiple of `num_heads`.
        """
        super().__init__()
        if d_model % (2 * num_heads):
            raise InputError(f"d_model ({d_model}) must be an even multiple of num_heads ({num_heads})")
        self.head_size = d_model // num_heads
        self.layers = nn.ModuleList(TransformerBlock(d_model, num_heads, dropout) for _ in range(num_layers))
        self.norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map (batch, frame, d_model) to the same shape."""
        # The first key stays visible even for an utterance without frames: attention over no keys would be NaN.
        keys = length_mask(lengths.clamp(min=1), x.shape[1])[:, None, None, :]
        rotation = rotary_angles(x.shape[1], self.head_size, x.device)
        for layer in self.layers:
            x = layer(x, keys, rotation)
        return self.norm(x), lengths


class TransformerBlock(nn.Module):
    """Self-attention and feed-forward, each added to its input."""

    def __init__(self, d_model: int, num_heads: int, dropout: float) -> None:
        """Build a block whose feed-forward part is four times as wide."""
        super().__init__()
        self.num_heads = num_heads
        self.dropout = dropout
        self.attention_norm = nn.LayerNorm(d_model)
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)
        self.feed_forward = feed_forward(d_model, dropout)

    def forward(self, x: Tensor, keys: Tensor, rotation: Tensor) -> Tensor:
        """Map x (batch, frame, d_model); keys (batch, 1, 1, frame) is true for frames that may be attended to."""
        x = x + functional.dropout(self._attend(self.attention_norm(x), keys, rotation), self.dropout, self.training)
        return torch.add(x, self.feed_forward(x))

    def _attend(self, x: Tensor, keys: Tensor, rotation: Tensor) -> Tensor:
        batch, frames, d_model = x.shape
        qkv = self.qkv(x).view(batch, frames, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        query, key = rotate(qkv[0], rotation), rotate(qkv[1], rotation)
        attended = functional.scaled_dot_product_attention(query, key, qkv[2], attn_mask=keys)
        y: Tensor = self.out(attended.transpose(1, 2).reshape(batch, frames, d_model))
        return y


def feed_forward(d_model: int, dropout: float) -> nn.Sequential:
    """Build the pre-norm feed-forward part of a block, four times as wide inside."""
    return nn.Sequential(
        nn.LayerNorm(d_model),
        nn.Linear(d_model, 4 * d_model),
        nn.SiLU(),
        nn.Dropout(dropout),
        nn.Linear(4 * d_model, d_model),
        nn.Dropout(dropout),
    )


def rotary_angles(frames: int, head_size: int, device: torch.device) -> Tensor:
    """Return cosines and sines (2, frame, head_size / 2) for rotary position embeddings."""
    frequencies = 10_000.0 ** -(torch.arange(0, head_size, 2, device=device) / head_size)
    angles = torch.arange(frames, device=device).unsqueeze(1) * frequencies
    return torch.stack((angles.cos(), angles.sin()))


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Apply rotary position embeddings to x (batch, head, frame, head_size)."""
    cosine, sine = rotation.to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cosine - second * sine, first * sine + second * cosine), dim=-1)
