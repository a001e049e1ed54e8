"""Tables spread over workers: the training of whole ones, with a part of the rows in each process."""

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from torch import multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

from clicksmith.config import Config
from clicksmith.errors import ConfigError
from clicksmith.lakehouse.catalog import Lake, models_root
from clicksmith.recommenders.artefact import TrainedSequence
from clicksmith.recommenders.losses import SequentialObjective
from clicksmith.recommenders.next_item.sequence import SequenceNetwork
from clicksmith.training.engine.sharding import (
    ShardedEmbedding,
    clip_gradients,
    load_optimizer,
    load_weights,
    optimizer_state,
    shard_tables,
    whole_tables,
)
from clicksmith.training.engine.supervised import Schedule, make_optimizer, run_steps
from clicksmith.training.runs import train_all
from training.test_sequential import SMALL, sequential_run_of_cycles

NUM_ITEMS = 31
"""Odd: one of two workers has a row more, rank 0 the padding."""

SCHEDULE = Schedule(num_steps=8, batch_size=8, learning_rate=0.05, seed=3)


class Trainer:
    """One worker's network, objective and optimizer."""

    def __init__(self, sharded: bool) -> None:
        popularity = torch.zeros(NUM_ITEMS)
        self.network = SequenceNetwork("sasrec", popularity, 6, 8, 1, 1, 0.0, seed=1)
        self.plain = SequentialObjective(self.network, popularity)
        if sharded:
            shard_tables(self.plain, self.network, ["items.ids"])
        self.objective = DistributedDataParallel(self.plain, broadcast_buffers=False)
        self.optimizer = make_optimizer(self.objective, SCHEDULE)

    def run(self, start: int, stop: int) -> None:
        """Steps from one to another."""
        for step, _ in run_steps(self.objective, self.optimizer, SCHEDULE, batch, start, dist.get_rank()):
            if step == stop:
                return

    def state(self) -> dict[str, Any]:
        """Of the first worker, with whole tables; each has to ask."""
        moments = optimizer_state(self.optimizer, self.objective)
        with whole_tables(self.network):
            weights = {name: value.clone() for name, value in self.network.state_dict().items()}
        return {"network": weights, "optimizer": moments}


def batch(step: int) -> tuple[torch.Tensor, ...]:
    """This worker's; in step 2 the second worker has nothing to guess."""
    random = np.random.default_rng((step, dist.get_rank()))
    items = random.integers(1, NUM_ITEMS, (4, 7))
    targets = items[:, 1:] * (step != 2 or dist.get_rank() == 0)
    negatives = np.random.default_rng(step).integers(1, NUM_ITEMS, 5)
    return torch.from_numpy(items[:, :-1]), torch.from_numpy(targets), torch.from_numpy(negatives)


def work(rank: int, folder: str) -> None:
    """One of two processes; the first one writes what both have found."""
    os.environ.update(MASTER_ADDR="127.0.0.1", GLOO_SOCKET_IFNAME="lo")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/rendezvous", rank=rank, world_size=2)
    whole, sharded, resumed = Trainer(False), Trainer(True), Trainer(True)
    found = {"start": sharded.state()["network"]}
    whole.run(0, SCHEDULE.num_steps)
    sharded.run(0, 5)
    saved = [copy.deepcopy(sharded.state())]
    dist.broadcast_object_list(saved)
    load_weights(resumed.network, saved[0]["network"])
    load_optimizer(resumed.optimizer, resumed.plain, saved[0]["optimizer"])
    resumed.run(5, SCHEDULE.num_steps)
    sharded.run(5, SCHEDULE.num_steps)
    found |= {
        "whole": whole.state(),
        "sharded": sharded.state(),
        "resumed": resumed.state(),
        "rows": sharded.network.items.ids.weight.shape[0],
    }
    table = nn.Embedding(5, 2, padding_idx=0)
    with torch.no_grad():
        table.weight.copy_(torch.arange(10.0).view(5, 2))
    own = ShardedEmbedding(table, dist.group.WORLD)
    # The first worker asks for a row twice, the second for others, padding among them.
    vectors = own(torch.tensor([[3, 3], [4, 1]] if rank == 0 else [[0, 2]]))
    (vectors * (1 + rank)).sum().backward()
    clipped = nn.ParameterList([nn.Parameter(torch.tensor([4.0]))])
    clipped[0].grad = torch.tensor([6.0])
    module = nn.ModuleDict({"dense": clipped, "table": own})
    gradient = own.weight.grad.clone()
    clip_gradients(module, 1.0)
    found |= {"vectors": vectors, "gradient": gradient, "clipped": [clipped[0].grad, own.weight.grad]}
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("sharding")
    multiprocessing.spawn(work, (str(folder),), nprocs=2)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


def test_look_ups_and_gradients_by_hand(found: list[dict[str, Any]]) -> None:
    assert found[0]["vectors"].tolist() == [[[6, 7], [6, 7]], [[8, 9], [2, 3]]]
    assert found[1]["vectors"].tolist() == [[[0, 1], [4, 5]]]
    # Rows 0, 2, 4 are the first worker's, 1 and 3 the second's; a mean over two workers of 1 and of 2 a row.
    assert found[0]["gradient"].tolist() == [[0, 0], [1, 1], [0.5, 0.5]], "the padding learns nothing"
    assert found[1]["gradient"].tolist() == [[0.5, 0.5], [1, 1]]


def test_clipping_is_by_the_norm_of_all_rows(found: list[dict[str, Any]]) -> None:
    """Squares: 36 of the dense one; 2 x 1 and 2 x 1/4 of the first worker's rows, as many of the second's."""
    norm = np.sqrt(36 + 2 * (2 + 0.5))
    for rank in (0, 1):
        dense, rows = found[rank]["clipped"]
        assert dense.item() == pytest.approx(6 / norm, rel=1e-5)
        torch.testing.assert_close(rows, found[rank]["gradient"] / norm, rtol=1e-5, atol=0)


def test_each_worker_holds_its_rows_and_trains_what_whole_tables_would(found: list[dict[str, Any]]) -> None:
    assert [one["rows"] for one in found] == [16, 15]
    whole, sharded = (found[0][name]["network"] for name in ("whole", "sharded"))
    assert whole.keys() == sharded.keys()
    moved = (whole["items.ids.weight"] - found[0]["start"]["items.ids.weight"]).abs()
    assert moved[0].max() == 0 and moved[1:].max() > 0.01
    for name in whole:
        own, other = sharded[name], whole[name]
        if name.endswith("qkv.bias"):
            # A key's bias adds the same to a query's every score, which no soft-max sees: its gradient is
            # rounding, of which Adam makes steps of any sign. Queries' and values' biases are held to.
            own, other = (torch.cat([bias.chunk(3)[0], bias.chunk(3)[2]]) for bias in (own, other))
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-6)


def test_a_checkpoint_holds_whole_moments_and_goes_on_to_the_bit(found: list[dict[str, Any]]) -> None:
    network, resumed = (found[0][name] for name in ("sharded", "resumed"))
    assert all(torch.equal(network["network"][name], resumed["network"][name]) for name in network["network"])
    of_whole = found[0]["whole"]["optimizer"]["state"]
    for number, moments in resumed["optimizer"]["state"].items():
        assert moments["exp_avg_sq"].shape == of_whole[number]["exp_avg_sq"].shape


@pytest.mark.soak
@pytest.mark.ray
def test_two_workers_on_ray_learn_and_leave_whole_tables(
    make_config: Callable[..., Config], lake: Lake, ray_cluster: None
) -> None:
    config = make_config(*SMALL, "ray.num_workers=2", "sequential.shard_items=true")
    folder = Path(train_all([sequential_run_of_cycles(config, lake)], config.ray, models_root(config))[0])
    metrics = json.loads((folder / "card.json").read_text())["metrics"]
    assert metrics["test_ndcg@10"] > 0.9
    assert load_file(folder / "weights.safetensors")["items.ids.weight"].shape == (41, 16)
    assert TrainedSequence.load(str(folder)).recommend([["i007", "i008"]], 1)[0].tolist() == [["i009"]]


def test_all_items_at_once_are_refused(make_config: Callable[..., Config]) -> None:
    with pytest.raises(ConfigError, match="shard_items"):
        make_config("sequential.shard_items=true", "sequential.loss=cross_entropy")
