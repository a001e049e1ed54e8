"""Next-item models on public logs: what they reach beside published figures and cheap baselines.

Networks are trained in two processes side by side, on one thread each: tuning is many small trainings.
"""

import itertools
import math
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.intervals import print_interval
from benchmarks.lines import print_line
from benchmarks.public_logs import (
    Split,
    amazon_beauty,
    complete_journey,
    movielens_100k,
    retailrocket,
    yoochoose,
)
from clicksmith.config import Augmentation, RayConfig, SequentialConfig
from clicksmith.lift.statistics import figures
from clicksmith.reading.next_items import NextItems
from clicksmith.reading.windows import Windows
from clicksmith.recommenders.artefact import build_network
from clicksmith.recommenders.next_item.baselines import ItemNeighbours, Popularity
from clicksmith.recommenders.next_item.ease import ease
from clicksmith.recommenders.next_item.recommend import NextItemModel
from clicksmith.training.runs import train
from clicksmith.training.sequential import SequentialTask, make_task

PUBLISHED = {
    "sasrec_first_reported": {"recall@10": 0.0605, "ndcg@10": 0.0318},
    "iclrec": {"recall@10": 0.0744, "ndcg@10": 0.0403},
    "duorec": {"recall@10": 0.0845, "ndcg@10": 0.0443},
    "sasrec_sampled_softmax": {"recall@10": 0.0921, "ndcg@10": 0.0531},
    "esasrec": {"recall@10": 0.0928, "ndcg@10": 0.0523},
}
"""On the same files of Beauty, leave one out, full ranking: shared/reference/recommenders.md."""

NUM_PROCESSES = 2
BEAUTY = SequentialConfig(
    model="sasrec",
    loss="sampled_softmax",
    max_length=50,
    horizon=1,
    filter_viewed=True,
    batch_size=128,
    learning_rate=1e-3,
    embedding_dim=64,
    num_blocks=1,
    num_heads=1,
    dropout=0.5,
    num_negatives=256,
    negatives_exponent=0.0,
    num_validations=10,
)

SHORT = BEAUTY.model_copy(update={"learning_rate": 3e-3, "num_validations": 4})
"""Nearly as good after 16 epochs as BEAUTY after 40: for many variants."""

SMALL = BEAUTY.model_copy(update={"num_negatives": 512, "learning_rate": 2e-3})
KINDS = ("sasrec", "bert4rec", "gru4rec", "two_tower")
DROPOUTS = (0.2, 0.5)
EXPONENTS = (0.0, 0.75)
MIN_STEPS = 800
"""What networks are tuned over; baselines have about as many settings."""

Read = Callable[[], Split]
LOGS: dict[str, tuple[Read, int, int]] = {
    "yoochoose": (yoochoose, 20, 1),
    "movielens": (movielens_100k, 10, 1),
    "retailrocket": (retailrocket, 10, 1),
    "complete_journey": (complete_journey, 10, 20),
}
"""Data sets, the length of the lists that are judged, and how many later events a target is drawn from."""


def windows_of(histories: Sequence[NDArray[np.integer]]) -> Windows:
    """Of users' items, oldest first, each a moment of its own; users with one item are left out."""
    kept = [np.asarray(history, np.int64) for history in histories if len(history) > 1]
    lengths = np.array([len(history) for history in kept], np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    flat = np.concatenate(kept)
    return Windows(flat, starts, np.arange(1, len(flat) + 1), np.repeat(starts[1:], lengths))


@dataclass(frozen=True)
class BuildTask:
    """The task of a data set, in this process."""

    data: Split
    config: SequentialConfig
    seed: int

    def __call__(self) -> SequentialTask:
        """Make it."""
        data = self.data
        evaluation = {"validation": data.validation, "test": data.test}
        windows = windows_of(data.train)
        return make_task(self.config, windows, data.popularity, evaluation, {}, None, self.seed)


@dataclass(frozen=True)
class Judged:
    """A model's lists held against what users took.

    Attributes:
        figures: by name.
        ndcg: of each user, shape (U,).
        seconds: that fitting took.
    """

    figures: dict[str, float]
    ndcg: NDArray[np.float64]
    seconds: float = 0.0

    @classmethod
    def of(cls, data: Split, rows: NextItems, model: NextItemModel, k: int, seconds: float = 0.0) -> "Judged":
        """Rank all items for the users of `rows`."""
        found = rows.recommend(model, k, data.filter_viewed)
        return cls(found.figures(data.popularity, rows.prefixes), found.ndcg, seconds)


@dataclass(frozen=True)
class Training:
    """One network to train and judge, in any process.

    Attributes:
        read: the data set.
        config: but for its number of steps.
        num_epochs: times over all users.
        seed: of everything.
        refit: on all that lies before the test; else on what lies before validation.
        on_test: who is judged; else validation users.
        k: length of the lists.
    """

    read: Read
    config: SequentialConfig
    num_epochs: int
    seed: int = 0
    refit: bool = False
    on_test: bool = True
    k: int = 10

    def run(self) -> Judged:
        """Train, as the job trains, and judge."""
        torch.set_num_threads(1)
        data = _read(self.read)
        fitted = data.refit() if self.refit else data
        started = time.perf_counter()
        network = fit_network(self.config, self.num_epochs, self.seed, fitted)
        seconds = time.perf_counter() - started
        return Judged.of(data, data.test if self.on_test else data.validation, network, self.k, seconds)


_read = lru_cache(maxsize=1)(lambda read: read())


def steps_of(config: SequentialConfig, num_rows: int, num_epochs: float) -> SequentialConfig:
    """So many times over all users."""
    return config.model_copy(update={"num_steps": max(1, int(num_epochs * num_rows) // config.batch_size)})


def rounds_of(data: Split, num_epochs: int) -> int:
    """Times over all users for so many times over all their windows, and for a least number of steps."""
    windows = sum(-(-len(history) // SMALL.max_length) for history in data.train) / len(data.train)
    least = MIN_STEPS * SMALL.batch_size / len(data.train)
    return math.ceil(max(num_epochs * windows, least))


def fit_network(config: SequentialConfig, num_epochs: int, seed: int, data: Split) -> NextItemModel:
    """Trained as the job trains, in this process."""
    config = steps_of(config, len(data.train), num_epochs)
    config = config.model_copy(update={"filter_viewed": data.filter_viewed})
    with tempfile.TemporaryDirectory() as folder:
        build = BuildTask(data, config, seed)
        state = train(build, config.model, f"{folder}/run", RayConfig(num_workers=0))
    network = build_network(config, torch.zeros(data.num_items), seed)
    network.load_state_dict(state["network"])
    return network.eval()


@contextmanager
def processes() -> Iterator[Callable[[Iterable[Training]], Iterator[Judged]]]:
    """A function that runs trainings side by side, in processes of their own, and yields them in order."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(NUM_PROCESSES, mp_context=context) as pool:
        yield lambda trainings: pool.map(Training.run, trainings)


Fit = Callable[[Split], NextItemModel]
"""A baseline with its setting, from a data set."""


def baselines(data: Split) -> dict[str, list[Fit]]:
    """Each with the settings that it is tuned over."""

    def neighbours(shrink: float, half_life: float | None) -> Fit:
        return lambda data: ItemNeighbours.fit(data.train, data.num_items, 200, shrink, half_life)

    def regression(weight: float) -> Fit:
        return lambda data: ease(data.train, data.num_items, weight)

    found: dict[str, list[Fit]] = {
        "popularity": [lambda data: Popularity(data.popularity)],
        "personal_popularity": [lambda data: Popularity(data.popularity, personal=True)],
        "item_knn": [neighbours(*setting) for setting in itertools.product((0.0, 10.0), (None, 4.0, 1.0))],
        "ease": [regression(weight) for weight in (25.0, 100.0, 400.0, 1600.0)],
    }
    if data.recent_popularity is not None:
        found["recent_popularity"] = [lambda data: Popularity(data.recent_popularity)]
    return found


def best_baseline(data: Split, fits: list[Fit], k: int) -> Judged:
    """The setting with the highest NDCG on validation users, fitted on all that lies before the test."""
    chosen = fits[0]
    if len(fits) > 1:
        found = [Judged.of(data, data.validation, fit(data), k).ndcg.mean() for fit in fits]
        chosen = fits[int(np.argmax(found))]
    return Judged.of(data, data.test, chosen(data.refit()), k)


def report(prefix: str, judged: Judged, k: int = 10) -> None:
    """A line for each figure on test users, beside the published one where there is one."""
    for figure, value in judged.figures.items():
        peer = PUBLISHED["esasrec"].get(figure) if prefix.startswith("beauty") else None
        print_line("recommenders", f"{prefix}.{figure}", value, "1", peer and "esasrec", peer)
    print_interval(f"{prefix}.ndcg@{k}", figures.mean(judged.ndcg))
    if judged.seconds:
        print_line("recommenders", f"{prefix}.train_s", judged.seconds, "s")


def beauty(num_epochs: int, seeds: list[int]) -> None:
    """Networks and baselines on the same users, and what is published."""
    for name, published in PUBLISHED.items():
        for figure, value in published.items():
            print_line("recommenders", f"beauty.published.{name}.{figure}", value, "1")
    data = amazon_beauty()
    for name, fits in baselines(data).items():
        report(f"beauty.{name}", best_baseline(data, fits, 10))
    trainings = {
        f"beauty.sasrec.{'refit' if refit else 'train_only'}.seed{seed}": Training(
            amazon_beauty, BEAUTY, num_epochs, seed, refit
        )
        for seed in seeds
        for refit in (False, True)
    }
    with processes() as run:
        for name, judged in zip(trainings, run(trainings.values()), strict=True):
            report(name, judged)


def augmentations(
    num_epochs: int, seeds: list[int], operators: Iterable[str] = get_args(Augmentation)
) -> None:
    """The model of `beauty`, trained shorter, with each free augmentation, and its gain over none.

    Figures are means over seeds, intervals over users.
    """
    names = ["none", *(name for name in operators if name != "none")]
    without: NDArray[np.float64] | None = None
    with processes() as run:
        judged = run(
            Training(amazon_beauty, SHORT.model_copy(update={"augmentations": (name,)}), num_epochs, seed)
            for name, seed in itertools.product(names, seeds)
        )
        for name in names:
            of_seeds = list(itertools.islice(judged, len(seeds)))
            ndcg = np.mean([one.ndcg for one in of_seeds], axis=0)
            recall = float(np.mean([one.figures["recall@10"] for one in of_seeds]))
            seconds = float(np.mean([one.seconds for one in of_seeds]))
            prefix = f"beauty.augmented.{name}"
            print_line("recommenders", f"{prefix}.recall@10", recall, "1")
            print_line("recommenders", f"{prefix}.ndcg@10", float(ndcg.mean()), "1")
            print_line("recommenders", f"{prefix}.train_s", seconds, "s")
            if without is None:
                without = ndcg
                continue
            print_line("recommenders", f"{prefix}.gain", float((ndcg - without).mean()), "1")
            print_interval(f"{prefix}.gain", figures.mean(ndcg - without))


def logs(num_epochs: int, datasets: Iterable[str] = tuple(LOGS), kinds: Sequence[str] = KINDS) -> None:
    """Every model on every other data set, each with its best setting of a few on validation users."""
    for dataset in datasets:
        read, k, horizon = LOGS[dataset]
        data = read()
        for name, fits in baselines(data).items():
            report(f"{dataset}.{name}", best_baseline(data, fits, k), k)
        rounds = rounds_of(data, num_epochs)
        grid = [
            SMALL.model_copy(
                update={"model": kind, "dropout": d, "negatives_exponent": e, "horizon": horizon}
            )
            for kind, d, e in itertools.product(kinds, DROPOUTS, EXPONENTS)
        ]
        with processes() as run:
            tried = run(Training(read, one, rounds, on_test=False, k=k) for one in grid)
            ndcg = {one: judged.ndcg.mean() for one, judged in zip(grid, tried, strict=True)}
            best = [max((one for one in grid if one.model == kind), key=ndcg.__getitem__) for kind in kinds]
            refitted = run(Training(read, one, rounds, refit=True, k=k) for one in best)
            for one, judged in zip(best, refitted, strict=True):
                report(f"{dataset}.{one.model}", judged, k)
