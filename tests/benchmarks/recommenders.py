"""Recommenders beside published figures, cheap baselines and a public library; one JSON line a figure.

Parts, in their order:
    beauty     Amazon Beauty, leave one out, full ranking: networks and baselines, beside what is published
    speed      an epoch of SASRec beside RecBole's, at equal sizes

How each figure was reached is in recommenders/EXPERIMENTS.md.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.lines import print_line
from benchmarks.public_logs import DATA, Split, amazon_beauty
from clicksmith.config import RayConfig, SequentialConfig
from clicksmith.evaluation.recommendations import Recommended
from clicksmith.recommenders.artefact import build_network
from clicksmith.recommenders.baselines import EASE, ItemNeighbours, Popularity
from clicksmith.recommenders.recommend import NextItemModel
from clicksmith.training.runs import train
from clicksmith.training.sequential import SequentialTask, make_task
from clicksmith.training.supervised import make_optimizer, run_steps
from clicksmith.training.windows import Windows

PARTS = ("beauty", "speed")
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


@dataclass(frozen=True)
class BuildTask:
    """The task of a data set, in any process."""

    config: SequentialConfig
    seed: int

    def __call__(self) -> SequentialTask:
        """Read the data and make it."""
        data = amazon_beauty()
        evaluation = {"validation": data.validation, "test": data.test}
        windows = Windows.of_histories(data.train)
        return make_task(self.config, windows, data.popularity, evaluation, {}, None, self.seed)


def steps_of(config: SequentialConfig, num_rows: int, num_epochs: int) -> SequentialConfig:
    """So many times over all users."""
    return config.model_copy(update={"num_steps": num_epochs * num_rows // config.batch_size})


def fit_network(
    data: Split, config: SequentialConfig, num_epochs: int, seed: int
) -> tuple[NextItemModel, float]:
    """Trained as the job trains, in this process; and the seconds that it took."""
    config = steps_of(config, len(data.train), num_epochs)
    with tempfile.TemporaryDirectory() as folder:
        build = BuildTask(config, seed)
        state = train(build, config.model, f"{folder}/run", RayConfig(num_workers=0))
    network = build_network(config, torch.zeros(data.num_items), seed)
    network.load_state_dict(state["network"])
    return network, state["seconds"]


def baselines(data: Split) -> Mapping[str, NextItemModel]:
    """Each with the setting that is best on validation users, of a few."""
    return {
        "popularity": Popularity(data.popularity),
        "item_knn": best(
            data,
            [
                ItemNeighbours.fit(data.train, data.num_items, 200, shrink, half_life)
                for shrink in (0.0, 10.0)
                for half_life in (None, 4.0, 1.0)
            ],
        ),
        "ease": best(data, [EASE.fit(data.train, data.num_items, weight) for weight in (100.0, 400.0)]),
    }


def best(data: Split, models: list[NextItemModel]) -> NextItemModel:
    """The one with the highest NDCG@10 on validation users."""
    return max(models, key=lambda model: data.validation.recommend(model, 10, True).ndcg.mean())


def interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """95 % of the mean over users, by bootstrap."""
    random = np.random.default_rng(seed)
    counts = random.multinomial(len(values), np.full(len(values), 1 / len(values)), NUM_RESAMPLES)
    low, high = np.quantile(counts @ values / len(values), [0.025, 0.975])
    return float(low), float(high)


def report(name: str, data: Split, found: Recommended) -> None:
    """A line for each figure, beside the published one where there is one."""
    for figure, value in found.figures(data.popularity, data.test.prefixes).items():
        peer = PUBLISHED.get(figure)
        print_line("recommenders", f"beauty.{name}.{figure}", value, "1", peer and "published", peer)
    for end, value in zip(("low", "high"), interval(found.ndcg), strict=True):
        print_line("recommenders", f"beauty.{name}.ndcg@10.{end}", value, "1")


def beauty(num_epochs: int, seeds: list[int]) -> None:
    """Networks and baselines on the same users."""
    data = amazon_beauty()
    for name, model in baselines(data).items():
        report(name, data, data.test.recommend(model, 10, True))
    for seed in seeds:
        network, seconds = fit_network(data, BEAUTY, num_epochs, seed)
        report(f"sasrec.seed{seed}", data, data.test.recommend(network, 10, True))
        print_line("recommenders", f"beauty.sasrec.seed{seed}.train_s", seconds, "s")


def speed(peer_python: str, num_epochs: int, batch_size: int) -> None:
    """Seconds of an epoch, and what is learnt in as many, with two threads each."""
    torch.set_num_threads(2)
    data = amazon_beauty()
    config = BEAUTY.model_copy(update={"loss": "cross_entropy", "batch_size": batch_size, "dropout": 0.2})
    config = steps_of(config, len(data.train), num_epochs)
    task = BuildTask(config, 1)()
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
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--speed-epochs", type=int, default=1)
    parser.add_argument("--speed-batch", type=int, default=256)
    parser.add_argument("--peer-python", default=sys.executable, help="of an environment with RecBole")
    arguments = parser.parse_args()
    if "beauty" in arguments.parts:
        beauty(arguments.epochs, arguments.seeds)
    if "speed" in arguments.parts:
        speed(arguments.peer_python, arguments.speed_epochs, arguments.speed_batch)


if __name__ == "__main__":
    main()
