"""The user's side of a two-tower model: what was taken so far, averaged, through a small network."""

import torch
from torch import Tensor, nn

from clicksmith.recommenders.layers import mlp


class MeanPool(nn.Module):
    """The mean of all items up to each position, without their order (Covington et al. 2016; Yi et al. 2019).

    Items are vectors of the other tower, so retrieval is a search for the nearest inner products.

    Shape:
        x (B, L, D), is_item (B, L) -> states (B, L, D); sequences are padded on the right, where states
        mean nothing.
    """

    def __init__(self, dim: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        self.tower = mlp([dim, *[2 * dim] * num_layers], dropout)
        self.out = nn.Linear(2 * dim, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x_BLD: Tensor, is_item_BL: Tensor) -> Tensor:
        """The state after each position."""
        counts = torch.arange(1, x_BLD.shape[1] + 1, device=x_BLD.device)[:, None]
        mean_BLD = x_BLD.cumsum(1) / counts
        states: Tensor = self.norm(mean_BLD + self.out(self.tower(mean_BLD)))
        return states
