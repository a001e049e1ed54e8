"""Convolutions over tokens and the maximum over places, in two ways that agree up to rounding.

Shapes: B sequences, T tokens of the longest, V distinct tokens, E embedding, F filters of all widths.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MAX_SEQUENCES = 1024
"""So many are summed at a time."""


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


def strongest_by_table(
    filters: Iterable[nn.Module], known_VE: Tensor, tokens_BT: Tensor, lengths_B: Tensor, own_BE: Tensor
) -> Tensor:
    """The same with less to multiply, of sequences that have many tokens in common.

    What each place of a filter makes of a token is computed once; an answer is the sum of as many rows of
    that table as the filter is wide. A token's embedding is that of its number, plus what its sequence adds.

    Args:
        filters: convolutions.
        known_VE: embeddings of distinct tokens.
        tokens_BT: their numbers, padded by any.
        lengths_B: tokens of the sequences.
        own_BE: what a sequence adds to each of its tokens' embeddings.
    """
    # Sequences of one length side by side: nothing is padded or masked.
    groups = [
        (length, rows)
        for length in torch.unique(lengths_B).tolist()
        for rows in torch.split((lengths_B == length).nonzero()[:, 0], MAX_SEQUENCES)
    ]
    found = []
    for layer in filters:
        assert isinstance(layer, nn.Conv1d) and layer.bias is not None
        number, _, width = layer.weight.shape
        table = (known_VE @ layer.weight.permute(1, 2, 0).flatten(1)).view(-1, number)
        answers = []
        for length, rows in groups:
            if length == 0:
                answers.append(layer.bias.expand(len(rows), -1))
                continue
            reach = min(width, length)
            places = torch.arange(reach, device=table.device)
            index = tokens_BT[rows, :length].unfold(1, reach, 1) * width + places
            sums = F.embedding_bag(index.flatten(0, 1), table, mode="sum")
            best = sums.view(len(rows), -1, number).amax(1) + layer.bias
            answers.append(torch.addmm(best, own_BE[rows], layer.weight[:, :, :reach].sum(2).T))
        found.append(F.relu(torch.cat(answers)))
    order = torch.cat([rows for _, rows in groups])
    return torch.cat(found, 1)[order.argsort()]
