"""Maximum likelihood for the LSTM over tokens: where the adversarial presets begin, and their control."""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from clicksmith.encoding.sequence_codec import EncodedSequences, SequenceCodec
from clicksmith.generators.recipe import Recipe, Shard, StepSettings, Wrap, follow
from clicksmith.generators.sequence.games.sampling import TokenSampler
from clicksmith.generators.sequence.games.seqgan_network import EMBEDDING, HIDDEN
from clicksmith.generators.sequence.rows import MemorySequences, Windows
from clicksmith.seeds import derive_seed

GRADIENT_NORM = 5.0
LEARNING_RATE = 1e-2
MAX_TOKENS = 1 << 16
"""So many are scored at a time."""


@dataclass(frozen=True)
class Size:
    """Of the network, and how slowly the weights that are kept follow it.

    Attributes:
        embedding: of a token.
        hidden: of the LSTM.
        average: decay of the moving average; 0 keeps the network as it is, as in the papers.
    """

    embedding: int = EMBEDDING
    hidden: int = HIDDEN
    average: float = 0.0


class TokenLikelihood(Recipe[EncodedSequences]):
    """Adam at a constant rate, its gradient clipped, as in the papers.

    Args:
        rows: training sequences.
        codec: of them.
        settings: of the run.
        size: of the network.
    """

    sampler: TokenSampler

    def __init__(
        self, rows: MemorySequences, codec: SequenceCodec, settings: StepSettings, size: Size | None = None
    ) -> None:
        torch.manual_seed(derive_seed(settings.seed, "weights"))
        self.settings, self.rate, self._rows = settings, settings.learning_rate, rows
        self.size = size or Size()
        self.sampler = TokenSampler(codec, self.size.embedding, self.size.hidden)
        self.sampler.fit(rows.data)
        self.network = copy.deepcopy(self.sampler.network)
        self.sampler.requires_grad_(False)
        mean_length = float(rows.data.lengths.mean()) if len(rows.data) else 1.0
        self.mean_tokens = max(1.0, mean_length * len(codec.events.cardinalities))

    def prepare(self, wrap: Wrap) -> None:
        """See `Recipe.prepare`."""
        self.parallel = wrap(self.network)
        self.sampler.network.to(self.network.device)
        self._optimizer = make_optimizer(self.network, self.rate)

    def step(self, step: int, shard: Shard) -> dict[str, Tensor]:
        """See `Recipe.step`."""
        size = self.settings.batch_size
        windows = self._rows.batch(step, size, shard.slice(size))
        tokens = self.network.vocabulary.tokens(windows.events)
        # A mean over tokens: the clipping of the papers acts on no other.
        loss = self.parallel(tokens, windows.owners, learnt(windows, tokens) / self.mean_tokens)
        norm = update(self._optimizer, self.network, loss, self.rate, GRADIENT_NORM)
        follow(self.sampler.network, self.network, self.size.average, step)
        return {"nats": loss.detach() * self.mean_tokens, "gradient_norm": norm}

    @torch.inference_mode()
    def row_nats(self, rows: EncodedSequences) -> Tensor:
        """Nats of the events of each owner, given its codes and length; see `Recipe.row_nats`."""
        nats = torch.zeros(len(rows))
        num_columns = len(self.network.vocabulary.events)
        order = np.argsort(rows.lengths, kind="stable")
        while len(order):
            longest = np.maximum(rows.lengths[order], 1) * num_columns * (1 + np.arange(len(order)))
            part, order = np.split(order, [max(1, int(np.searchsorted(longest, MAX_TOKENS, side="right")))])
            windows = from_the_start(rows, part, int(rows.lengths[part[-1]]))
            tokens = self.network.vocabulary.tokens(windows.events)
            found = self.sampler.network.nats(tokens, windows.owners).cpu() * learnt(windows, tokens)
            nats[torch.from_numpy(part)] = found.sum(1)
        return nats

    def state_dict(self) -> dict[str, Any]:
        """See `Recipe.state_dict`."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Recipe.load_state_dict`."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        return {"network": self.network, "sampler": self.sampler, "optimizer": self._optimizer}


def learnt(windows: Windows, tokens: Tensor) -> Tensor:
    """1 for each token that is scored, else 0, shape (B, T).

    The first event of a window that begins later than its owner is read, not scored: it comes unannounced.
    """
    mask = windows.mask.clone()
    mask[:, 0] &= windows.starts == 0
    return mask.repeat_interleave(tokens.shape[1] // mask.shape[1], 1).float()


def from_the_start(data: EncodedSequences, owners: np.ndarray[Any, Any], max_events: int) -> Windows:
    """The first events of some owners, at most so many."""
    return Windows.of(data, owners, max_events, np.zeros((len(owners), 2)))


def make_optimizer(network: nn.Module, rate: float) -> torch.optim.Optimizer:
    """Adam on what is trained at all."""
    return torch.optim.Adam([p for p in network.parameters() if p.requires_grad], rate, fused=True)


def update(
    optimizer: torch.optim.Optimizer, network: nn.Module, loss: Tensor, rate: float, limit: float
) -> Tensor:
    """One step down the loss; returns the gradient's norm before it was clipped to a limit."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    norm = nn.utils.clip_grad_norm_(network.parameters(), limit)
    optimizer.step()
    return norm
