"""SeqGAN's critic: convolutions over tokens, maxima over places, a highway layer (Yu et al. 2017, appendix).

Shapes: B sequences, T tokens of the longest, F filters of all widths, E embedding.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clicksmith.generators.sequence.rows import Windows
from clicksmith.generators.sequence.seqgan_network import OwnerBias
from clicksmith.generators.sequence.tokens import Vocabulary

EMBEDDING = 64
FILTERS = (*zip(range(1, 11), (100, *[200] * 4, *[100] * 5), strict=True), (15, 160), (20, 160))
"""Width and number of the filters."""

PENALTY = 0.2
MAX_SEQUENCES = 1024
"""So many are scored at a time where no gradient is wanted."""


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
        device = self.last.weight.device
        mask_BL = windows.mask.to(device)
        mask_BT = mask_BL.repeat_interleave(len(self.vocabulary.events), 1)
        tokens_BT = self.vocabulary.tokens(windows.events.to(device))
        x_BTE = self.embedding(tokens_BT) + self.owners(windows.owners)[:, None]
        found = strongest(self.filters, x_BTE * mask_BT[:, :, None], mask_BT.sum(1))
        features: Tensor = self.highway(found)
        if keep is not None:
            features = features * keep.to(device)
        fake, real = self.last(features).unbind(1)
        logits: Tensor = real - fake
        return logits

    def penalty(self) -> Tensor:
        """Half the squared weights of the last layer, times `PENALTY`."""
        return PENALTY / 2 * (self.last.weight.square().sum() + self.last.bias.square().sum())

    @torch.no_grad()
    def probability(self, windows: Windows) -> Tensor:
        """That each sequence is real, shape (B,): the reward."""
        parts = zip(*(part.split(MAX_SEQUENCES) for part in vars(windows).values()), strict=True)
        return torch.cat([self(Windows(*part)).sigmoid() for part in parts])


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


def strongest(filters: Iterable[nn.Module], x_BTE: Tensor, lengths_B: Tensor) -> Tensor:
    """The strongest answer of each filter where it lies inside a sequence, shape (B, F).

    Args:
        filters: convolutions.
        x_BTE: zero beyond a sequence's end.
        lengths_B: tokens of the sequences.
    """
    x_BET, longest = x_BTE.transpose(1, 2), x_BTE.shape[1]
    even = bool((lengths_B == longest).all())
    found = []
    for layer in filters:
        assert isinstance(layer, nn.Conv1d)
        width = layer.kernel_size[0]
        answers = layer(x_BET if width <= longest else F.pad(x_BET, (0, width - longest)))
        if not even:
            places = torch.arange(answers.shape[2], device=x_BTE.device)
            inside = places <= (lengths_B - width).clamp(min=0)[:, None]
            answers = answers.masked_fill(~inside[:, None], -torch.inf)
        found.append(F.relu(answers.amax(2)))
    return torch.cat(found, 1)
