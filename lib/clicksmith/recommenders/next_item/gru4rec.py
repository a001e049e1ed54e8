"""GRU4Rec: a recurrent network over a session's items (Hidasi et al. 2016; Hidasi and Karatzoglou 2018)."""

from torch import Tensor, nn

from clicksmith.recommenders.layers import Dropout


class Recurrent(nn.Module):
    """Gated recurrent units, one layer a block.

    Shape:
        x (B, L, D), is_item (B, L) -> states (B, L, D); sequences are padded on the right, where states
        mean nothing.
    """

    def __init__(self, dim: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.gru = nn.GRU(dim, dim, num_layers, batch_first=True, dropout=dropout if num_layers > 1 else 0.0)

    def forward(self, x_BLD: Tensor, is_item_BL: Tensor) -> Tensor:
        """The state after each position."""
        states: Tensor = self.dropout(self.gru(self.dropout(x_BLD))[0])
        return states
