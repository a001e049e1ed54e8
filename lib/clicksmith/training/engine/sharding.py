"""Embedding tables whose rows are spread over the workers, for catalogues too large to train on each.

Training holds a table four times: weights, gradient and Adam's two moments. Here each worker holds all four
for its own rows only, and a step moves only the rows that its batch asks for: an exchange of ids, one of
vectors, and in the backward pass one of gradients, by torch.distributed's all-to-all. The weights alone are
put together where all rows are needed: by every worker when a run starts, by the first one for validation
and for checkpoints, which are the same file with any number of workers.

Of torch's own tools, DTensor's row-wise embedding sums a vector of every worker for each id asked, and FSDP
puts the whole table together in each step; TorchRec moves rows as this does, but the CPU build of its
kernels (fbgemm-gpu-cpu 1.9.0) does not load beside torch 2.13. So torch.distributed is used directly.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_to_all_single
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from clicksmith.ranks import num_ranks, sum_over_ranks


class ShardedEmbedding(nn.Module):
    """One worker's rows of a table: those whose number is its rank, modulo the workers.

    Indices go by popularity, so each worker is asked for about as much.

    Shape:
        ids of any shape (...) -> (..., D). Every worker must call it, with as many ids as it likes.

    Args:
        table: the whole one; its row 0 is padding where it says so.
        group: of all workers, for these exchanges alone: those of DDP keep an order of their own.
    """

    def __init__(self, table: nn.Embedding, group: dist.ProcessGroup) -> None:
        super().__init__()
        self.num_rows = table.num_embeddings
        self.has_padding = table.padding_idx == 0
        self.group = group
        self.rank, self.size = dist.get_rank(group), dist.get_world_size(group)
        self.weight = nn.Parameter(self.own(table.weight.detach()).clone())
        # DDP takes the mean over workers of dense gradients; each worker's loss adds to these.
        self.weight.register_hook(lambda gradient: gradient / self.size)  # type: ignore[no-untyped-call]

    def own(self, whole: Tensor) -> Tensor:
        """This worker's rows of the whole table."""
        return whole[self.rank :: self.size]

    def forward(self, ids: Tensor) -> Tensor:
        """The rows asked for, wherever they are."""
        distinct, place = torch.unique(ids, return_inverse=True)
        owner = distinct % self.size
        order = torch.argsort(owner, stable=True)
        asks = torch.bincount(owner, minlength=self.size)
        asked = torch.empty_like(asks)
        dist.all_to_all_single(asked, asks, group=self.group)
        sent, received = asks.tolist(), asked.tolist()
        rows = distinct.new_empty(sum(received))
        dist.all_to_all_single(rows, distinct[order], received, sent, group=self.group)
        padding = 0 if self.has_padding and self.rank == 0 else None
        answers = F.embedding(rows // self.size, self.weight, padding_idx=padding)
        vectors = answers.new_empty(len(distinct), answers.shape[1])
        vectors = all_to_all_single(  # type: ignore[no-untyped-call]
            vectors, answers.contiguous(), sent, received, group=self.group
        )
        found: Tensor = vectors[torch.argsort(order)][place]
        return found

    def whole(self, rows: Tensor) -> Tensor | None:
        """All workers' rows, put together on the first one; every worker must call it.

        Args:
            rows: like the weights: this worker's, shape (R, D).
        """
        # Workers' numbers of rows differ by one at most; as many travel from each.
        most = -(-self.num_rows // self.size)
        padded = torch.cat([rows, rows.new_zeros(most - len(rows), rows.shape[1])])
        parts = [torch.empty_like(padded) for _ in range(self.size)] if self.rank == 0 else None
        dist.gather(padded, parts, dst=0, group=self.group)
        if parts is None:
            return None
        return torch.stack(parts, dim=1).flatten(0, 1)[: self.num_rows]


def shard_tables(objective: nn.Module, network: nn.Module, names: Sequence[str]) -> None:
    """Put one worker's rows in the place of embedding tables; with one worker, nothing happens.

    Args:
        objective: holds the network; DDP, which wraps it next, leaves the rows alone.
        network: holds the tables.
        names: of the tables in the network.
    """
    if num_ranks() == 1:
        return
    for name in names:
        table = cast(nn.Embedding, network.get_submodule(name))
        group = cast(dist.ProcessGroup, dist.new_group())
        _replace(network, name, ShardedEmbedding(table, group))
    sharded = {id(weight) for weight in sharded_weights(objective)}
    ignored = [name for name, weight in objective.named_parameters() if id(weight) in sharded]
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(  # type: ignore[no-untyped-call]
        objective, ignored
    )


def _tables(module: nn.Module) -> list[tuple[str, ShardedEmbedding]]:
    return [(name, part) for name, part in module.named_modules() if isinstance(part, ShardedEmbedding)]


def sharded_weights(module: nn.Module) -> list[nn.Parameter]:
    """Parameters of which each worker has rows of its own."""
    return [table.weight for _, table in _tables(module)]


@contextmanager
def whole_tables(network: nn.Module) -> Iterator[None]:
    """The network with its tables put together, on the first worker; every worker must enter."""
    tables = _tables(network)
    for name, table in tables:
        weight = table.whole(table.weight.detach())
        if weight is not None:
            padding = 0 if table.has_padding else None
            _replace(network, name, nn.Embedding(len(weight), weight.shape[1], padding, _weight=weight))
    try:
        yield
    finally:
        for name, table in tables:
            _replace(network, name, table)


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(network.get_submodule(parent), last, module)


def load_weights(network: nn.Module, weights: dict[str, Tensor]) -> None:
    """Load a state dict of whole tables; each worker takes its rows."""
    own = {f"{name}.weight": table.own(weights[f"{name}.weight"]) for name, table in _tables(network)}
    network.load_state_dict({**weights, **own})


def optimizer_state(optimizer: torch.optim.Optimizer, module: nn.Module) -> dict[str, Any]:
    """Its state dict, on the first worker with whole tables' moments; every worker must call it.

    Args:
        optimizer: of all parameters of the module.
        module: that was sharded.
    """
    state = optimizer.state_dict()
    moments = dict(state["state"])
    for number, table in _numbered(module):
        if number in moments:
            rows = {name: value for name, value in moments[number].items() if value.dim() == 2}
            moments[number] = {**moments[number], **{name: table.whole(row) for name, row in rows.items()}}
    return {**state, "state": moments}


def load_optimizer(optimizer: torch.optim.Optimizer, module: nn.Module, state: dict[str, Any]) -> None:
    """Load what `optimizer_state` gave on the first worker; each takes its rows."""
    moments = dict(state["state"])
    for number, table in _numbered(module):
        if number in moments:
            moments[number] = {
                name: table.own(value).clone() if value.dim() == 2 else value
                for name, value in moments[number].items()
            }
    optimizer.load_state_dict({**state, "state": moments})


def _numbered(module: nn.Module) -> list[tuple[int, ShardedEmbedding]]:
    """Tables by the number of their weights among all parameters, which is the optimizer's name for them."""
    numbers = {id(weight): number for number, weight in enumerate(module.parameters())}
    return [(numbers[id(table.weight)], table) for _, table in _tables(module)]


def clip_gradients(module: nn.Module, max_norm: float) -> None:
    """Clip by the norm of all gradients, those of other workers' rows included."""
    sharded = sharded_weights(module)
    if not sharded:
        nn.utils.clip_grad_norm_(module.parameters(), max_norm)
        return
    own = {id(weight) for weight in sharded}
    dense = [w.grad for w in module.parameters() if w.grad is not None and id(w) not in own]
    squares = torch.stack([_square(w.grad) for w in sharded if w.grad is not None]).sum()
    norm = (sum_over_ranks(squares) + torch.stack([_square(grad) for grad in dense]).sum()).sqrt()
    nn.utils.clip_grads_with_norm_(module.parameters(), max_norm, norm)


def _square(gradient: Tensor) -> Tensor:
    return gradient.float().square().sum()
