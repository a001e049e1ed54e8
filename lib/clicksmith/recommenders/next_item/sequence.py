"""Next-item networks: item embeddings that serve as inputs and as outputs, around an encoder."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clicksmith.recommenders.layers import EMBEDDING_STD, CodeEmbedding
from clicksmith.recommenders.next_item.gru4rec import Recurrent
from clicksmith.recommenders.next_item.transformer import Transformer
from clicksmith.recommenders.next_item.two_tower import MeanPool

Kind = Literal["sasrec", "bert4rec", "gru4rec", "two_tower"]

REPEAT_SCALE = 10.0
"""One step of Adam moves the factor by about the learning rate; it has to go further than other weights."""


@dataclass(frozen=True)
class Attributes:
    """What is known of items besides their ids, as codes; 0 is missing.

    Attributes:
        codes: shape (V, A).
        cardinalities: codes of each of the A columns.
    """

    codes: NDArray[np.int64]
    cardinalities: tuple[int, ...]


class ItemEmbedding(nn.Module):
    """An item's vector: that of its id, and those of its attributes, summed.

    Rare items are close to their like from the start (as in S3Rec, Zhou et al. 2020, without pre-training).

    Shape:
        items of any shape (...) -> (..., D); 0 gives zeros.
    """

    codes: Tensor

    def __init__(self, num_ids: int, dim: int, attributes: Attributes | None) -> None:
        super().__init__()
        self.ids = nn.Embedding(num_ids, dim, padding_idx=0)
        nn.init.normal_(self.ids.weight, std=EMBEDDING_STD)
        with torch.no_grad():
            self.ids.weight[0].zero_()
        self.attributes: CodeEmbedding | None = None
        if attributes is not None:
            codes = torch.zeros(num_ids, attributes.codes.shape[1], dtype=torch.long)
            codes[: len(attributes.codes)] = torch.from_numpy(attributes.codes)
            self.register_buffer("codes", codes)
            self.attributes = CodeEmbedding(attributes.cardinalities, dim, dropout=0.0)

    def forward(self, items: Tensor) -> Tensor:
        """The items' vectors."""
        vectors: Tensor = self.ids(items)
        if self.attributes is not None:
            vectors = vectors + self.attributes(self.codes[items]).sum(-2) * (items > 0)[..., None]
        return vectors


class SequenceNetwork(nn.Module):
    """An encoder of items taken so far, and a score of every item that may come next.

    Two things are not in the papers. Each item has an output bias, which starts at its log popularity: the
    model starts as the popularity baseline, and its steps go into what differs from it. And an item's logit
    changes with the times that the user took it, by one learnt factor: people buy some things again
    (RepeatNet, Ren et al. 2019) and others never, and attention alone needs far more steps to learn that.

    Sequences are aligned left and padded on the right with 0. A network that looks both ways ("bert4rec")
    has one more input, the mask `mask_index`, and its own position for what is asked.

    Shape:
        events (B, L) int64, L at most `max_length` -> states (B, L, D); `scores` makes (B, V) of some. Events
        are items where there is no context, see `context`.

    Args:
        kind: of the encoder.
        log_popularity: log share of each item in training events, shape (V,); index 0 is padding and unknown.
        max_length: positions.
        dim: D.
        num_blocks: layers of the encoder.
        num_heads: of attention, a divisor of `dim`.
        dropout: everywhere.
        seed: of the initial weights.
        attributes: of the items, or None.
        context_sizes: codes of each feature of an event, see `context.EventContext`.
    """

    def __init__(
        self,
        kind: Kind,
        log_popularity: Tensor,
        max_length: int,
        dim: int,
        num_blocks: int,
        num_heads: int,
        dropout: float,
        seed: int,
        attributes: Attributes | None = None,
        context_sizes: Sequence[int] = (),
    ) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.kind = kind
        self.max_length = max_length
        self.mask_index = len(log_popularity)
        self.scale = dim**0.5
        self.items = ItemEmbedding(len(log_popularity) + (kind == "bert4rec"), dim, attributes)
        self.context_sizes = tuple(context_sizes)
        self.contexts: CodeEmbedding | None = None
        if context_sizes:
            self.contexts = CodeEmbedding(context_sizes, dim, dropout=0.0)
            nn.init.zeros_(self.contexts.table.weight)
        self.bias = nn.Parameter(log_popularity.clone())
        self.repeat = nn.Parameter(torch.zeros(()))
        self.encoder: nn.Module
        if kind == "gru4rec":
            self.encoder = Recurrent(dim, num_blocks, dropout)
        elif kind == "two_tower":
            self.encoder = MeanPool(dim, num_blocks, dropout)
        else:
            is_causal = kind == "sasrec"
            self.encoder = Transformer(max_length, dim, num_blocks, num_heads, dropout, is_causal)

    @property
    def num_items(self) -> int:
        """V, index 0 included."""
        return self.mask_index

    @property
    def room(self) -> int:
        """Items of a history that fit: one fewer where the mask needs a place."""
        return self.max_length - (self.kind == "bert4rec")

    @property
    def outputs(self) -> Tensor:
        """Vectors of the items that can come next, shape (V, D)."""
        vectors: Tensor = self.items(torch.arange(self.mask_index, device=self.bias.device))
        return vectors

    @property
    def num_events(self) -> int:
        """Numbers that an event may have."""
        return self.mask_index * (1 + math.prod(self.context_sizes) if self.context_sizes else 1)

    def items_of(self, events: Tensor) -> Tensor:
        """The items of events, any shape; the mask, which no event has as its number, stays."""
        return torch.where(events == self.mask_index, events, events % self.mask_index)

    def embed(self, events: Tensor) -> Tensor:
        """The vectors of events, those of the item and of each feature summed: (...) -> (..., D)."""
        vectors: Tensor = self.items(self.items_of(events))
        if self.contexts is not None:
            code = torch.where(events == self.mask_index, 0, events // self.mask_index)
            digits, rest = [], code - 1
            for size in reversed(self.context_sizes):
                digits.append(rest % size)
                rest = rest // size
            of_features = self.contexts(torch.stack(digits[::-1], dim=-1)).sum(-2)
            vectors = vectors + of_features * (code > 0)[..., None]
        return vectors

    def forward(self, events_BL: Tensor) -> Tensor:
        """The state after each position, or at each where the network looks both ways."""
        return self.encode(self.embed(events_BL), events_BL)

    def encode(self, vectors_BLD: Tensor, items_BL: Tensor) -> Tensor:
        """The same from the events' vectors, for who has looked them up for several parts at once."""
        states: Tensor = self.encoder(vectors_BLD * self.scale, items_BL > 0)
        return states

    def repeat_bonus(self, times_seen: Tensor) -> Tensor:
        """What an item's logit gains from the times that it is in the sequence so far; any shape."""
        return REPEAT_SCALE * self.repeat * torch.log1p(times_seen.float())

    def scores(self, states_BD: Tensor, items_BL: Tensor) -> Tensor:
        """Logits of all items after whole sequences.

        Args:
            states_BD: the state of what is asked about each sequence, shape (B, D).
            items_BL: the sequences, shape (B, L), 0 where there is no item.

        Returns:
            Shape (B, V).
        """
        logits_BV = states_BD @ self.outputs.T + self.bias
        times_seen_BL = (items_BL[:, :, None] == items_BL[:, None, :]).sum(2)
        # Each of an item's places brings its share, so that few numbers are added and none is written twice.
        return logits_BV.scatter_add(1, items_BL, self.repeat_bonus(times_seen_BL) / times_seen_BL)

    def scores_of(self, states_BD: Tensor, items_BL: Tensor, candidates_BC: Tensor) -> Tensor:
        """Logits of some items, shape (B, C); see `scores`."""
        vectors_BCD = self.items(candidates_BC)
        logits_BC = (vectors_BCD * states_BD[:, None]).sum(2) + self.bias[candidates_BC]
        times_seen_BC = (candidates_BC[:, :, None] == items_BL[:, None, :]).sum(2)
        bonus: Tensor = logits_BC + self.repeat_bonus(times_seen_BC)
        return bonus

    @torch.inference_mode()
    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        """Scores of all items after whole histories, in evaluation mode; shape (B, V).

        Args:
            histories: events, oldest first, at least one each; the newest that fit count.
        """
        return np.asarray(self.scores(*self.last_states(histories)).cpu().numpy())

    @torch.inference_mode()
    def last_states(self, histories: Sequence[NDArray[np.integer]]) -> tuple[Tensor, Tensor]:
        """The state after each whole history, in evaluation mode, and the items: (B, D) and (B, L)."""
        self.eval()
        device = self.bias.device
        room = self.room
        lengths = torch.tensor([min(len(history), room) for history in histories], device=device)
        padded = np.zeros((len(histories), int(lengths.max())), np.int64)
        for row, history in enumerate(histories):
            newest = history[-room:]
            padded[row, : len(newest)] = newest
        items = torch.from_numpy(padded).to(device)
        asked = lengths - 1
        inputs = items
        if self.kind == "bert4rec":
            asked = lengths
            inputs = nn.functional.pad(items, (0, 1)).scatter(1, lengths[:, None], self.mask_index)
        rows = torch.arange(len(histories), device=device)
        return self(inputs)[rows, asked], self.items_of(items)
