"""Losses and gradients of two and of four workers beside those of one, on the same rows."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

from clicksmith.ranks import alone, num_ranks, rows_of_ranks, sum_over_ranks
from clicksmith.recommenders.losses import Loss, RankerObjective, SequentialObjective
from clicksmith.recommenders.next_item.sequence import Kind, SequenceNetwork
from clicksmith.recommenders.ranking.ranker import build_ranker
from clicksmith.recommenders.search.losses import PairsObjective, TowersObjective
from clicksmith.recommenders.search.text import SearchNetwork

MOST = 4
SIZES = (2, 4)
NUM_ROWS = 7
"""Neither two nor four workers have as many each."""

Batch = tuple[torch.Tensor, ...]
Found = tuple[float, dict[str, torch.Tensor]]


class MeanOfPieces(nn.Module):
    """An encoder of texts that is all there is to one: the mean of their pieces' vectors."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.pieces = nn.Embedding(20, dim)

    def forward(self, ids: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        return self.pieces(ids).mean(1) + types.sum(1, keepdim=True)


def ranker(is_weighted: bool) -> tuple[nn.Module, Batch]:
    random = np.random.default_rng(1)
    network = build_ranker("dcnv2", [5, 6], 4, 0.3, seed=2, num_auxiliary=2).eval()
    codes = torch.from_numpy(random.integers(0, 5, (NUM_ROWS, 2)))
    labels, auxiliary = (torch.from_numpy(random.random(shape) < 0.4) for shape in (NUM_ROWS, (NUM_ROWS, 2)))
    weights = torch.from_numpy(random.exponential(1.0, NUM_ROWS)).float()
    return RankerObjective(network), (codes, labels, weights if is_weighted else torch.ones(7), auxiliary)


def sequential(kind: Kind, loss: Loss) -> tuple[nn.Module, Batch]:
    """From no target to five a row: of four workers the last has one row, of which nothing is asked."""
    random = np.random.default_rng(2)
    network = SequenceNetwork(kind, torch.zeros(12), 5, 8, 1, 1, 0.0, seed=3)
    log_rate = torch.from_numpy(np.log(random.dirichlet(np.ones(12)))).float()
    events = random.integers(1, 12, (NUM_ROWS, 5))
    targets = random.integers(1, 12, (NUM_ROWS, 5))
    targets[np.arange(5) >= np.array([5, 1, 3, 0, 5, 2, 4])[:, None]] = 0
    if kind == "bert4rec":
        events = np.where(targets > 0, network.mask_index, events)
    negatives = torch.from_numpy(random.integers(1, 12, 6))
    objective = SequentialObjective(network, log_rate, loss).eval()
    return objective, (torch.from_numpy(events), torch.from_numpy(targets), negatives)


def search(is_cross: bool) -> tuple[nn.Module, Batch]:
    """Rows 0 and 5 share a query, rows 1 and 2 a product: on one worker, and on two."""
    random = np.random.default_rng(3)
    torch.manual_seed(4)
    network = SearchNetwork(MeanOfPieces(6), 6, is_cross)  # type: ignore[arg-type]
    queries, texts = (torch.from_numpy(random.integers(1, 20, (NUM_ROWS, 3))) for _ in range(2))
    grades = torch.tensor([1, 3, 1, 2, 3, 1, 2])
    if is_cross:
        return PairsObjective(network), (queries, torch.zeros_like(queries), grades)
    query, item = torch.tensor([0, 1, 2, 3, 4, 0, 5]), torch.tensor([0, 1, 1, 2, 3, 4, 5])
    return TowersObjective(network), (queries, texts, query, item, grades)


CASES: dict[str, Callable[[], tuple[nn.Module, Batch]]] = {
    "ranker": lambda: ranker(False),
    "ranker, weighted": lambda: ranker(True),
    "sasrec, sampled softmax": lambda: sequential("sasrec", "sampled_softmax"),
    "sasrec, cross-entropy": lambda: sequential("sasrec", "cross_entropy"),
    "gru4rec, gbce": lambda: sequential("gru4rec", "gbce"),
    "bert4rec, sampled softmax": lambda: sequential("bert4rec", "sampled_softmax"),
    "two towers, sampled softmax": lambda: sequential("two_tower", "sampled_softmax"),
    "search towers": lambda: search(False),
    "search pairs": lambda: search(True),
}


def learnt(make: Callable[[], tuple[nn.Module, Batch]], rank: int, size: int) -> Found:
    """The loss and the gradients of a batch, of which this worker has its part."""
    objective, batch = make()
    parts = [part[rank::size] if len(part) == NUM_ROWS else part for part in batch]
    module = DistributedDataParallel(objective, broadcast_buffers=False) if size > 1 else objective
    loss = module(*parts)
    loss.backward()
    value = loss.detach().clone()
    if size > 1:
        dist.all_reduce(value)
    gradients = {n: w.grad for n, w in objective.named_parameters() if w.grad is not None}
    return value.item() / size, gradients


def work(rank: int, folder: str) -> None:
    """One of four processes, of which two are asked alone first; the first one writes what all have found."""
    os.environ.update(MASTER_ADDR="127.0.0.1", GLOO_SOCKET_IFNAME="lo")
    torch.set_num_threads(1)
    for size in SIZES:
        if rank >= size:
            continue
        dist.init_process_group("gloo", f"file://{folder}/rendezvous.{size}", rank=rank, world_size=size)
        found = {name: learnt(make, rank, size) for name, make in CASES.items()}
        own = torch.arange(2.0 * rank).view(rank, 2).requires_grad_()
        rows, first = rows_of_ranks(own)
        (rows * (rank + 1)).sum().backward()
        torch.save((found, rows.detach(), first, own.grad), Path(folder) / f"{size}.{rank}.pt")
        told = [num_ranks()]
        with alone():
            kept = sum_over_ranks(torch.tensor([rank + 1.0]))
            told.append(num_ranks())
        torch.save((told, kept.item(), num_ranks()), Path(folder) / f"alone.{size}.{rank}.pt")
        dist.destroy_process_group()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workers")
    # The processes are forked from one that has imported torch, once and not in each of them.
    modules = [make.__module__ for make in (RankerObjective, SequentialObjective, TowersObjective)]
    multiprocessing.get_context("forkserver").set_forkserver_preload(modules)
    multiprocessing.start_processes(work, (str(folder),), nprocs=MOST, start_method="forkserver")
    return folder


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", CASES)
def test_any_number_of_workers_learns_what_one_does(folder: Path, name: str, size: int) -> None:
    loss, gradients = learnt(CASES[name], 0, 1)
    for rank in range(size):
        of_ranks, of_each = torch.load(folder / f"{size}.{rank}.pt")[0][name]
        assert of_ranks == pytest.approx(loss, abs=1e-6)
        assert of_each.keys() == gradients.keys()
        for weight, gradient in gradients.items():
            torch.testing.assert_close(of_each[weight], gradient, rtol=1e-5, atol=1e-6)
    assert max(gradient.abs().max() for gradient in gradients.values()) > 0.01


@pytest.mark.parametrize("size", SIZES)
def test_rows_of_all_workers_by_hand(folder: Path, size: int) -> None:
    """Worker r has r rows; each row is used by all workers, r + 1 times by worker r."""
    expected = [[2.0 * row, 2.0 * row + 1] for rank in range(size) for row in range(rank)]
    for rank in range(size):
        _, rows, first, gradient = torch.load(folder / f"{size}.{rank}.pt")
        assert rows.tolist() == expected
        assert first == sum(range(rank))
        assert gradient.tolist() == [[sum(range(1, size + 1))] * 2] * rank


@pytest.mark.parametrize("size", SIZES)
def test_a_small_training_within_a_run_is_each_worker_s_own(folder: Path, size: int) -> None:
    for rank in range(size):
        told, kept, after = torch.load(folder / f"alone.{size}.{rank}.pt")
        assert told == [size, 1] and kept == rank + 1.0, "nothing was summed"
        assert after == size
