"""SeqGAN's critic: convolutions over tokens, maxima over places, a highway layer (Yu et al. 2017, appendix).

Shapes: B sequences, T tokens of the longest, F filters of all widths, E embedding.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clicksmith.generators.sequence.games.filters import strongest, strongest_by_table
from clicksmith.generators.sequence.games.seqgan_network import OwnerBias
from clicksmith.generators.sequence.games.tokens import Vocabulary
from clicksmith.generators.sequence.rows import Windows

EMBEDDING = 64
FILTERS = (*zip(range(1, 11), (100, *[200] * 4, *[100] * 5), strict=True), (15, 160), (20, 160))
"""Width and number of the filters."""

PENALTY = 0.2
MAX_SEQUENCES = 1024
"""So many are scored at a time where no gradient is wanted."""

REPEATS = 4
"""Where tokens come so often on average, answers are summed from a table."""


class HighwayCritic(nn.Module):
    """The logit that a sequence is real.

    The owner's codes add a bias to each token's embedding, zero at first. A sequence shorter than a filter is
    padded by zeros; the others are not, so that what follows a sequence in its batch does not count.

    Args:
        vocabulary: of the tokens.
        longest: tokens of the longest sequence; wider filters are left out.
    """

    def __init__(self, vocabulary: Vocabulary, longest: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.embedding = nn.Embedding(vocabulary.start, EMBEDDING)
        nn.init.uniform_(self.embedding.weight, -1.0, 1.0)
        self.owners = OwnerBias(vocabulary.owners, EMBEDDING)
        filters = [(width, number) for width, number in FILTERS if width <= max(longest, 1)]
        self.filters = nn.ModuleList(nn.Conv1d(EMBEDDING, number, width) for width, number in filters)
        self.num_features = sum(number for _, number in filters)
        self.highway = Highway(self.num_features)
        self.last = nn.Linear(self.num_features, 2)
        for name, weight in self.named_parameters():
            if name.startswith(("filters", "last")):
                nn.init.trunc_normal_(weight, std=0.1, a=-0.2, b=0.2)
                if name.endswith("bias"):
                    nn.init.constant_(weight, 0.1)

    def forward(self, windows: Windows, keep: Tensor | None = None) -> Tensor:
        """Logits, shape (B,).

        Args:
            windows: sequences.
            keep: dropout's factors of the features, shape (B, F); None drops nothing.
        """
        return self._judge(self._answers(windows), keep)

    def _answers(self, windows: Windows) -> Tensor:
        """The strongest of each filter, shape (B, F)."""
        device, num_columns = self.last.weight.device, len(self.vocabulary.events)
        tokens_BT = self.vocabulary.tokens(windows.events.to(device))
        lengths_B, own_BE = windows.sizes.to(device) * num_columns, self.owners(windows.owners)
        known, places_BT = torch.unique(tokens_BT, return_inverse=True)
        if REPEATS * len(known) < tokens_BT.numel():
            return strongest_by_table(self.filters, self.embedding(known), places_BT, lengths_B, own_BE)
        mask_BT = torch.arange(tokens_BT.shape[1], device=device) < lengths_B[:, None]
        x_BTE = (self.embedding(tokens_BT) + own_BE[:, None]) * mask_BT[:, :, None]
        return strongest(self.filters, x_BTE, lengths_B)

    def _judge(self, answers_BF: Tensor, keep: Tensor | None = None) -> Tensor:
        """Logits, shape (B,)."""
        features: Tensor = self.highway(answers_BF)
        if keep is not None:
            features = features * keep.to(features.device)
        fake, real = self.last(features).unbind(1)
        logits: Tensor = real - fake
        return logits

    def penalty(self) -> Tensor:
        """Half the squared weights of the last layer, times `PENALTY`."""
        return PENALTY / 2 * (self.last.weight.square().sum() + self.last.bias.square().sum())

    @torch.no_grad()
    def probability(self, windows: Windows) -> Tensor:
        """That each sequence is real, shape (B,): the reward."""
        parts = torch.split(self._answers(windows), MAX_SEQUENCES)
        return torch.cat([self._judge(part).sigmoid() for part in parts])


class Highway(nn.Module):
    """A share of each feature is transformed, the rest passes (Srivastava et al. 2015).

    Shape:
        (B, F) -> (B, F).

    Args:
        width: F.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate, self.transform = nn.Linear(width, width), nn.Linear(width, width)
        for layer in (self.gate, self.transform):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Transformed features."""
        share = torch.sigmoid(self.gate(x))
        return torch.lerp(x, F.relu(self.transform(x)), share)
