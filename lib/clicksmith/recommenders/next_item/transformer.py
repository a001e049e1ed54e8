"""Self-attention over a user's items: causal as in SASRec, or both ways as in BERT4Rec."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clicksmith.recommenders.layers import EMBEDDING_STD, Dropout


class Block(nn.Module):
    """Pre-norm self-attention and a feed-forward network, each with a residual.

    Shape:
        x (B, L, D), mask (B, 1, 1, L) or None for causal attention -> (B, L, D).
    """

    def __init__(self, dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout = Dropout(dropout)
        self.attention_norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.forward_norm = nn.LayerNorm(dim)
        self.feed_forward = nn.Sequential(
            nn.Linear(dim, 4 * dim),
            nn.GELU(),
            Dropout(dropout),
            nn.Linear(4 * dim, dim),
            Dropout(dropout),
        )

    def forward(self, x_BLD: Tensor, mask: Tensor | None) -> Tensor:
        """Attend to the positions up to each one, or to those of the mask."""
        batch, length, dim = x_BLD.shape
        qkv = self.qkv(self.attention_norm(x_BLD)).view(batch, length, 3, self.num_heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        x_BLD = x_BLD + self.dropout(self.out(attended.transpose(1, 2).reshape(batch, length, dim)))
        out: Tensor = x_BLD + self.feed_forward(self.forward_norm(x_BLD))
        return out


class Transformer(nn.Module):
    """Position embeddings, blocks, and a last norm.

    SASRec (Kang and McAuley 2018) where causal: sequences are padded on the right, so a position never sees
    the padding after it and no mask is needed. BERT4Rec (Sun et al. 2019) where not.

    Shape:
        x (B, L, D), is_item (B, L) -> states (B, L, D).
    """

    def __init__(
        self, max_length: int, dim: int, num_blocks: int, num_heads: int, dropout: float, is_causal: bool
    ) -> None:
        super().__init__()
        self.is_causal = is_causal
        self.positions = nn.Embedding(max_length, dim)
        nn.init.normal_(self.positions.weight, std=EMBEDDING_STD)
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(Block(dim, num_heads, dropout) for _ in range(num_blocks))
        self.norm = nn.LayerNorm(dim)

    def forward(self, x_BLD: Tensor, is_item_BL: Tensor) -> Tensor:
        """The state after each position."""
        positions = torch.arange(x_BLD.shape[1], device=x_BLD.device)
        x_BLD = self.dropout(x_BLD + self.positions(positions))
        mask = None if self.is_causal else is_item_BL[:, None, None, :]
        for block in self.blocks:
            x_BLD = block(x_BLD, mask)
        states: Tensor = self.norm(x_BLD)
        return states
