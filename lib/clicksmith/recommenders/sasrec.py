"""SASRec: self-attention over a user's items, each position predicting the next (Kang and McAuley 2018)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clicksmith.recommenders.layers import EMBEDDING_STD

REPEAT_SCALE = 10.0
"""One step of Adam moves the factor by about the learning rate; it has to go further than other weights."""


class Block(nn.Module):
    """Pre-norm causal self-attention and a feed-forward network, each with a residual.

    Shape:
        x (B, L, D) -> (B, L, D).
    """

    def __init__(self, dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout = dropout
        self.attention_norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.forward_norm = nn.LayerNorm(dim)
        self.feed_forward = nn.Sequential(
            nn.Linear(dim, 4 * dim),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(4 * dim, dim),
            nn.Dropout(dropout),
        )

    def forward(self, x_BLD: Tensor) -> Tensor:
        """Attend to the positions up to each one."""
        batch, length, dim = x_BLD.shape
        qkv = self.qkv(self.attention_norm(x_BLD)).view(batch, length, 3, self.num_heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True)
        x_BLD = x_BLD + F.dropout(
            self.out(attended.transpose(1, 2).reshape(batch, length, dim)), self.dropout, self.training
        )
        out: Tensor = x_BLD + self.feed_forward(self.forward_norm(x_BLD))
        return out


class SASRec(nn.Module):
    """A causal Transformer whose item embeddings serve as inputs and as outputs.

    Two things are not in the paper. Each item has an output bias, which starts at its log popularity: the
    model starts as the popularity baseline, and its steps go into what differs from it. And an item's logit
    rises with the times that the user took it, by one learnt factor: people buy again (RepeatNet, Ren et
    al. 2019), and attention alone needs far more steps to learn to copy.

    Sequences are aligned left and padded on the right with 0. Attention is causal, so a position
    never sees the padding after it, and no padding mask is needed.

    Shape:
        items (B, L) int64, L at most `max_length` -> states (B, L, D); `scores` makes (..., V) of them.

    Args:
        log_popularity: log share of each item in training events, shape (V,); index 0 is padding and unknown.
        max_length: positions.
        dim: D.
        num_blocks: attention blocks.
        num_heads: a divisor of `dim`.
        dropout: everywhere.
        seed: of the initial weights.
    """

    def __init__(
        self,
        log_popularity: Tensor,
        max_length: int,
        dim: int,
        num_blocks: int,
        num_heads: int,
        dropout: float,
        seed: int,
    ) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.items = nn.Embedding(len(log_popularity), dim, padding_idx=0)
        self.bias = nn.Parameter(log_popularity.clone())
        self.repeat = nn.Parameter(torch.zeros(()))
        self.positions = nn.Embedding(max_length, dim)
        for embedding in (self.items, self.positions):
            nn.init.normal_(embedding.weight, std=EMBEDDING_STD)
        with torch.no_grad():
            self.items.weight[0].zero_()
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(dim, num_heads, dropout) for _ in range(num_blocks))
        self.norm = nn.LayerNorm(dim)

    def repeat_bonus(self, times_seen: Tensor) -> Tensor:
        """What an item's logit gains from the times that it is in the sequence so far; any shape."""
        return REPEAT_SCALE * self.repeat * torch.log1p(times_seen.float())

    def scores(self, states_BD: Tensor, items_BL: Tensor) -> Tensor:
        """Logits of all items after whole sequences.

        Args:
            states_BD: the state after each sequence's last item, shape (B, D).
            items_BL: the sequences, shape (B, L).

        Returns:
            Shape (B, V).
        """
        logits_BV = states_BD @ self.items.weight.T + self.bias
        times_seen = torch.zeros_like(logits_BV).scatter_add_(1, items_BL, torch.ones_like(items_BL).float())
        return logits_BV + self.repeat_bonus(times_seen)

    def forward(self, items_BL: Tensor) -> Tensor:
        """The state after each position."""
        positions = torch.arange(items_BL.shape[1], device=items_BL.device)
        x_BLD = self.dropout(self.items(items_BL) * self.items.embedding_dim**0.5 + self.positions(positions))
        for block in self.blocks:
            x_BLD = block(x_BLD)
        states: Tensor = self.norm(x_BLD)
        return states
