"""Recommenders beside published figures, cheap baselines and a public library; one JSON line a figure.

Parts, in their order:
    beauty     Amazon Beauty, leave one out, full ranking: networks and baselines, beside what is published
    logs       Yoochoose by sessions, MovieLens 100k and Retailrocket by one cut in time: all models, each
               with its best setting of a few on validation users
    chorus     product search with human judgments: BM25, encoders and both, by five folds over queries
    speed      an epoch of SASRec beside RecBole's, at equal sizes

How each figure was reached is in recommenders/EXPERIMENTS.md.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.chorus import chorus
from benchmarks.lines import print_line
from benchmarks.public_logs import DATA, Split, amazon_beauty, movielens_100k, retailrocket, yoochoose
from clicksmith.config import RayConfig, SequentialConfig
from clicksmith.recommenders.artefact import build_network
from clicksmith.recommenders.baselines import EASE, MAX_DENSE_ITEMS, ItemNeighbours, Popularity
from clicksmith.recommenders.recommend import NextItemModel
from clicksmith.training.runs import train
from clicksmith.training.sequential import SequentialTask, make_task
from clicksmith.training.supervised import make_optimizer, run_steps
from clicksmith.training.windows import Windows

PARTS = ("beauty", "logs", "chorus", "speed")
PUBLISHED = {"recall@10": 0.0928, "ndcg@10": 0.0523}
"""eSASRec on Beauty, the best of shared/reference/recommenders.md at these sizes."""

NUM_RESAMPLES = 1000
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


SMALL = BEAUTY.model_copy(update={"num_negatives": 512, "learning_rate": 2e-3})
SETTINGS = tuple(
    {"dropout": dropout, "negatives_exponent": exponent} for dropout in (0.2, 0.5) for exponent in (0.0, 0.75)
)
"""What networks are tuned over; baselines have about as many."""

LOGS = {"yoochoose": (yoochoose, 20), "movielens": (movielens_100k, 10), "retailrocket": (retailrocket, 10)}
"""Data sets, and the length of the lists that are judged."""


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
        windows = Windows.of_histories(data.train)
        return make_task(self.config, windows, data.popularity, evaluation, {}, None, self.seed)


def steps_of(config: SequentialConfig, num_rows: int, num_epochs: int) -> SequentialConfig:
    """So many times over all users."""
    return config.model_copy(update={"num_steps": num_epochs * num_rows // config.batch_size})


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


Fit = Callable[[Split], NextItemModel]
"""A model with its settings, from a data set."""


def baselines(data: Split) -> dict[str, list[Fit]]:
    """Each with the settings that it is tuned over."""

    def neighbours(shrink: float, half_life: float | None) -> Fit:
        return lambda data: ItemNeighbours.fit(data.train, data.num_items, 200, shrink, half_life)

    def ease(weight: float) -> Fit:
        return lambda data: EASE.fit(data.train, data.num_items, weight)

    found: dict[str, list[Fit]] = {
        "popularity": [lambda data: Popularity(data.popularity)],
        "personal_popularity": [lambda data: Popularity(data.popularity, personal=True)],
        "item_knn": [neighbours(*setting) for setting in itertools.product((0.0, 10.0), (None, 4.0, 1.0))],
    }
    if data.num_items <= MAX_DENSE_ITEMS:
        found["ease"] = [ease(weight) for weight in (100.0, 400.0)]
    return found


def best(data: Split, fits: Sequence[Fit]) -> NextItemModel:
    """The setting with the highest NDCG@10 on validation users, fitted on all that lies before the test."""
    chosen = fits[0]
    if len(fits) > 1:
        figures = [data.validation.recommend(fit(data), 10, data.filter_viewed).ndcg.mean() for fit in fits]
        chosen = fits[int(np.argmax(figures))]
    return chosen(data.refit())


def interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """95 % of the mean over users, by bootstrap."""
    random = np.random.default_rng(seed)
    counts = random.multinomial(len(values), np.full(len(values), 1 / len(values)), NUM_RESAMPLES)
    low, high = np.quantile(counts @ values / len(values), [0.025, 0.975])
    return float(low), float(high)


def report(prefix: str, data: Split, model: NextItemModel, k: int = 10) -> None:
    """A line for each figure on test users, beside the published one where there is one."""
    found = data.test.recommend(model, k, data.filter_viewed)
    for figure, value in found.figures(data.popularity, data.test.prefixes).items():
        peer = PUBLISHED.get(figure) if prefix.startswith("beauty") else None
        print_line("recommenders", f"{prefix}.{figure}", value, "1", peer and "published", peer)
    for end, value in zip(("low", "high"), interval(found.ndcg), strict=True):
        print_line("recommenders", f"{prefix}.ndcg@{k}.{end}", value, "1")


def beauty(num_epochs: int, seeds: list[int]) -> None:
    """Networks and baselines on the same users."""
    data = amazon_beauty()
    for name, fits in baselines(data).items():
        report(f"beauty.{name}", data, best(data, fits))
    for seed in seeds:
        for name, split in (("train_only", data), ("refit", data.refit())):
            started = time.perf_counter()
            report(f"beauty.sasrec.{name}.seed{seed}", data, fit_network(BEAUTY, num_epochs, seed, split))
            seconds = time.perf_counter() - started
            print_line("recommenders", f"beauty.sasrec.{name}.seed{seed}.train_s", seconds, "s")


def logs(num_epochs: int) -> None:
    """Every model on every other data set."""
    for dataset, (read, k) in LOGS.items():
        data = read()
        tuned = baselines(data)
        for kind in ("sasrec", "bert4rec", "gru4rec", "two_tower"):
            configs = [SMALL.model_copy(update={"model": kind, **setting}) for setting in SETTINGS]
            tuned[kind] = [partial(fit_network, config, num_epochs, 0) for config in configs]
        for name, fits in tuned.items():
            report(f"{dataset}.{name}", data, best(data, fits), k)


def speed(peer_python: str, num_epochs: int, batch_size: int) -> None:
    """Seconds of an epoch, and what is learnt in as many, with two threads each."""
    torch.set_num_threads(2)
    data = amazon_beauty()
    config = BEAUTY.model_copy(update={"loss": "cross_entropy", "batch_size": batch_size, "dropout": 0.2})
    config = steps_of(config, len(data.train), num_epochs)
    task = BuildTask(data, config, 1)()
    optimizer = make_optimizer(task.objective, task.schedule)
    started = time.perf_counter()
    for _ in run_steps(task.objective, optimizer, task.schedule, lambda step: task.batch(step, 0, 1)):
        pass
    ours = (time.perf_counter() - started) / num_epochs
    found = data.test.recommend(task.network, 10, True)
    with tempfile.TemporaryDirectory() as folder:
        arguments = {
            "sequences": str(DATA / "amazon_beauty" / "sequences.txt"),
            "folder": folder,
            "threads": 2,
            "epochs": num_epochs,
            "dim": config.embedding_dim,
            **config.model_dump(
                include={"max_length", "num_blocks", "dropout", "batch_size", "learning_rate"}
            ),
        }
        script = str(Path(__file__).with_name("recbole_peer.py"))
        command = [peer_python, "-W", "ignore", script, json.dumps(arguments)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=folder)
    theirs = json.loads(done.stdout.strip().splitlines()[-1])
    print_line("recommenders", "sasrec.epoch_s", ours, "s", "recbole", theirs["epoch_s"])
    for name, value in (("recall@10", found.recall.mean()), ("ndcg@10", found.ndcg.mean())):
        metric = f"sasrec.after_{num_epochs}_epochs.{name}"
        print_line("recommenders", metric, float(value), "1", "recbole", theirs[name])


def main() -> None:
    """Run the chosen parts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--epochs", type=int, default=60, help="of the part beauty")
    parser.add_argument("--log-epochs", type=int, default=20, help="of the part logs")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--speed-epochs", type=int, default=1)
    parser.add_argument("--speed-batch", type=int, default=256)
    parser.add_argument("--peer-python", default=sys.executable, help="of an environment with RecBole")
    arguments = parser.parse_args()
    if "beauty" in arguments.parts:
        beauty(arguments.epochs, arguments.seeds)
    if "logs" in arguments.parts:
        logs(arguments.log_epochs)
    if "chorus" in arguments.parts:
        chorus()
    if "speed" in arguments.parts:
        speed(arguments.peer_python, arguments.speed_epochs, arguments.speed_batch)


if __name__ == "__main__":
    main()
