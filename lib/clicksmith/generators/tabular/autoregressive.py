"""Maximum likelihood for the autoregressive network: the control that an adversary has to beat."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.generators.recipe import (
    Recipe,
    Shard,
    StepSettings,
    Wrap,
    dropout_factors,
    follow,
    one_cycle,
    step_generator,
)
from clicksmith.generators.tabular.autoregressive_network import EMBEDDING, AutoregressiveNetwork
from clicksmith.generators.tabular.rows import Rows, first_rows
from clicksmith.seeds import derive_seed

GRADIENT_NORM = 1.0
LEARNING_RATE = 5e-3
WEIGHT_DECAY = 0.1
DROPOUT = 0.125
"""Of the embeddings. More blurs what depends on a single column, such as a label."""
AVERAGE_DECAY = 0.98
ANY_ORDER_SHARE = 0.5
"""Steps in which some columns come first, as they do when they are given. In the others the codec's order
holds, which is that of unconditional sampling."""


class Autoregressive(Recipe[Encoded]):
    """AdamW with a one-cycle rate; what is kept is a moving average of the weights.

    Args:
        rows: training rows.
        codec: their codec.
        settings: of the run.
    """

    sampler: AutoregressiveNetwork
    rate: float
    """The peak of the learning rate."""

    def __init__(self, rows: Rows, codec: TableCodec, settings: StepSettings) -> None:
        torch.manual_seed(derive_seed(settings.seed, "weights"))
        self.settings, self.rate = settings, settings.learning_rate
        self.network = AutoregressiveNetwork(codec, settings.mixed_precision)
        self.network.set_frequencies(rows.counts)
        self.sampler = copy.deepcopy(self.network).requires_grad_(False)
        self._rows = rows

    def prepare(self, wrap: Wrap) -> None:
        """See `Recipe.prepare`."""
        self.parallel = wrap(self.network)
        self.sampler.to(self.network.device)
        self._optimizer = make_optimizer(self.network, self.rate)

    def step(self, step: int, shard: Shard) -> dict[str, Tensor]:
        """See `Recipe.step`."""
        settings = self.settings
        mine = shard.slice(settings.batch_size)
        codes = self._rows.batch(step, settings.batch_size, mine)
        stream = step_generator(settings.seed, step)
        order = draw_order(codes.shape[1], stream)
        keep = draw_dropout(settings.batch_size, codes.shape[1], stream, mine)
        for group in self._optimizer.param_groups:
            group["lr"] = one_cycle(step, settings.num_steps, self.rate)
        self.network.train()
        self._optimizer.zero_grad(set_to_none=True)
        loss = self.parallel(codes, order, keep).sum()
        torch.autograd.backward(loss)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_NORM)
        self._optimizer.step()
        follow(self.sampler, self.network, AVERAGE_DECAY, step)
        return {"nats": loss.detach(), "gradient_norm": norm}

    def finish(self, shard: Shard) -> None:
        """See `Recipe.finish`: heads are calibrated."""
        size = self.settings.batch_size
        self.sampler.calibrate(first_rows(self._rows, size, shard.slice(size)), self._rows.counts)

    @torch.inference_mode()
    def row_nats(self, rows: Encoded) -> Tensor:
        """See `Recipe.row_nats`."""
        self.sampler.eval()
        parts = torch.split(torch.from_numpy(rows.codes), 2048)
        return torch.cat([self.sampler.row_nats(part).cpu() for part in parts])

    def state_dict(self) -> dict[str, Any]:
        """See `Recipe.state_dict`."""
        return {
            "network": self.network.state_dict(),
            "sampler": self.sampler.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Recipe.load_state_dict`."""
        self.network.load_state_dict(state["network"])
        self.sampler.load_state_dict(state["sampler"])
        self._optimizer.load_state_dict(state["optimizer"])


def make_optimizer(network: AutoregressiveNetwork, rate: float) -> torch.optim.Optimizer:
    """AdamW that shrinks what is learnt of dependence, not the biases, which hold the columns' shares."""
    named = list(network.named_parameters())
    biases = [weight for name, weight in named if name.endswith("bias")]
    others = [weight for name, weight in named if not name.endswith("bias")]
    groups: list[dict[str, Any]] = [{"params": others}, {"params": biases, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, weight_decay=WEIGHT_DECAY, fused=True)


def draw_order(
    num_columns: int, stream: torch.Generator, any_order: float = ANY_ORDER_SHARE
) -> Tensor | None:
    """The order of generation of a step: None for the codec's, or some random columns first.

    Their number is small more often than not, as with the conditions that people ask for.
    """
    share, size = torch.rand(2, generator=stream).tolist()
    permutation = torch.randperm(num_columns, generator=stream)
    if share >= any_order:
        return None
    first = permutation[: 1 + int(num_columns * size**4)]
    rest = torch.ones(num_columns, dtype=torch.bool)
    rest[first] = False
    return torch.cat([first, rest.nonzero()[:, 0]])


def draw_dropout(num_rows: int, num_columns: int, stream: torch.Generator, mine: slice) -> Tensor:
    """Factors for `AutoregressiveNetwork.forward`, shape (rows of `mine`, num_columns * E)."""
    return dropout_factors(num_rows, num_columns * EMBEDDING, DROPOUT, stream, mine)
