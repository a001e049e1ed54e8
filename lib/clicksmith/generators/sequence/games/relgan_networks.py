"""RelGAN's two networks (Nie et al. 2019): see `relgan`.

Shapes: B sequences, L events, Se sub-columns, T = L * Se tokens, R views of the critic, F features of a view.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clicksmith.generators.sequence.games.critic import Highway
from clicksmith.generators.sequence.games.filters import strongest
from clicksmith.generators.sequence.games.seqgan_network import OwnerBias, TokenLstm
from clicksmith.generators.sequence.games.tokens import Vocabulary

WIDTHS = (2, 3, 4, 5)
HIDDEN = 100


class RelaxedGenerator(nn.Module):
    """Sequences whose tokens are shares of codes, through which gradients pass.

    Args:
        network: draws them.
    """

    def __init__(self, network: TokenLstm) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        owners: Tensor,
        num_events: int,
        temperature: float,
        stream: torch.Generator,
        mine: slice,
        size: int,
    ) -> list[Tensor]:
        """Shares of the codes of each sub-column, shapes (B, L, cardinality).

        Args:
            owners: codes, shape (B, So).
            num_events: L.
            temperature: the inverse one.
            stream: of the noise, which is drawn for the global batch.
            mine: rows of this rank in it.
            size: of the global batch.
        """
        network = self.network
        own = network.owner_gates(owners)
        state = (own.new_zeros(len(own), network.lstm.hidden_size),) * 2
        token = torch.full((len(own),), network.vocabulary.start, device=own.device)
        unseen = torch.split(~network.seen, list(network.vocabulary.events))
        shares: list[list[Tensor]] = [[] for _ in unseen]
        for _ in range(num_events):
            for column, first in enumerate(network.vocabulary.offsets):
                state = network.advance(network.input_gates(network.embedding(token)) + own, state)
                logits = network.logits(state[0], column).masked_fill(unseen[column], -torch.inf)
                uniform = torch.rand(size, logits.shape[1], generator=stream)[mine].clamp_(1e-7, 1 - 1e-7)
                noisy = logits - torch.log(-torch.log(uniform.to(own.device)))
                shares[column].append((noisy * temperature).softmax(1))
                token = noisy.detach().argmax(1) + first
        return [torch.stack(part, 1) for part in shares]


class ViewsCritic(nn.Module):
    """Logits that a sequence is real, one from each number of its tokens' embeddings.

    Args:
        vocabulary: of the tokens.
        longest: tokens of the longest sequence; wider filters are left out.
        num_views: R.
        num_filters: of each width.
    """

    def __init__(self, vocabulary: Vocabulary, longest: int, num_views: int, num_filters: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.embedding = nn.Parameter(torch.randn(vocabulary.start, num_views) * 0.1)
        self.owners = OwnerBias(vocabulary.owners, num_views)
        widths = [width for width in WIDTHS if width <= max(longest, WIDTHS[0])]
        self.filters = nn.ModuleList(nn.Conv1d(1, num_filters, width) for width in widths)
        self.num_features = len(widths) * num_filters
        self.highway = Highway(self.num_features)
        self.last = nn.Sequential(nn.Linear(self.num_features, HIDDEN), nn.Linear(HIDDEN, 1))

    def forward(
        self, shares: list[Tensor], owners: Tensor, sizes: Tensor, keep: Tensor | None = None
    ) -> Tensor:
        """Logits, shape (B, R).

        Args:
            shares: of the codes of each sub-column, shapes (B, L, cardinality); or the codes, shapes (B, L).
            owners: codes, shape (B, So).
            sizes: events of each sequence, shape (B,).
            keep: dropout's factors of the features of a sequence, shape (B, R * F); None drops nothing.
        """
        device = self.embedding.device
        tables = torch.split(self.embedding, list(self.vocabulary.events))
        pairs = zip(shares, tables, strict=True)
        columns = [F.embedding(x.to(device), t) if x.dim() == 2 else x @ t for x, t in pairs]
        x_BTR = torch.stack(columns, 2).flatten(1, 2) + self.owners(owners)[:, None]
        lengths = sizes.to(device) * len(columns)
        x_BTR = x_BTR * (torch.arange(x_BTR.shape[1], device=device) < lengths[:, None])[:, :, None]
        num_views = x_BTR.shape[2]
        views = x_BTR.transpose(1, 2).flatten(0, 1)[:, :, None]
        features = self.highway(strongest(self.filters, views, lengths.repeat_interleave(num_views)))
        if keep is not None:
            features = features * keep.to(device).view(features.shape)
        logits: Tensor = self.last(features).view(-1, num_views)
        return logits
