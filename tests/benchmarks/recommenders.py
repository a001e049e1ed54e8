"""Recommenders beside published figures, cheap baselines and a public library; one JSON line a figure.

Parts, in their order:
    beauty          Amazon Beauty, leave one out, full ranking: network and baselines, and published figures
    augmentations   the same network with each free augmentation, and its difference to none
    logs            Yoochoose by sessions, MovieLens 100k, Retailrocket and The Complete Journey by one cut in
                    time: all models, each with its best setting of a few on validation users
    bandit          Open Bandit Data: rankers on one policy's log, judged on another's
    oracle          a simulated click stream: shares of the NDCG of an oracle that knows the truth
    chorus          product search with human judgments: BM25, encoders and both, by five folds over queries
    speed           an epoch of SASRec beside RecBole's, at equal sizes
    nearest         lists from an index of items beside the ranking of them all
    workers         the same steps by two Ray workers and by one

How each figure was reached is in recommenders/EXPERIMENTS.md.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import get_args

import ray
import torch

from benchmarks.chorus import chorus
from benchmarks.lines import print_line
from benchmarks.nearest import nearest
from benchmarks.next_items import BEAUTY, KINDS, LOGS, BuildTask, augmentations, beauty, logs, steps_of
from benchmarks.open_bandit import open_bandit
from benchmarks.oracle import oracle
from benchmarks.public_logs import DATA, Split, amazon_beauty
from clicksmith.config import Augmentation, SequentialConfig, load_config
from clicksmith.recommenders.losses import Loss
from clicksmith.training.engine.supervised import fit
from clicksmith.training.runs import train

PARTS = ("beauty", "augmentations", "logs", "bandit", "oracle", "chorus", "speed", "nearest", "workers")
OPERATORS = get_args(Augmentation)

LOSSES: tuple[Loss, ...] = ("cross_entropy", "sampled_softmax")
"""RecBole's, over all items, and the one that `beauty` is trained with."""


def speed(peer_python: str, num_epochs: int, batch_size: int) -> None:
    """Seconds of an epoch, what is learnt in as many, and seconds to what the peer learns; two threads each.

    RecBole makes a row of each prefix of a sequence, with one target. Beside its batch stand ours of as many
    targets, whose epoch takes as many steps, and of as many rows, whose epoch takes fewer and teaches less.
    """
    torch.set_num_threads(2)
    data = amazon_beauty()
    config = BEAUTY.model_copy(update={"batch_size": batch_size, "dropout": 0.2})
    theirs = recbole(peer_python, steps_of(config, len(data.train), num_epochs), num_epochs)
    targets = sum(len(history) - 1 for history in data.train) / len(data.train)
    for loss, (equal, size) in product(
        LOSSES, {"targets": round(batch_size / targets), "rows": batch_size}.items()
    ):
        ours = config.model_copy(update={"loss": loss, "batch_size": size})
        _race(data, ours, f"sasrec.{loss}.equal_{equal}", num_epochs, theirs)


def _race(
    data: Split, config: SequentialConfig, name: str, num_epochs: int, theirs: Mapping[str, float]
) -> None:
    """Train for the peer's epochs, then for a quarter more and so on, until its NDCG is reached."""
    epochs, reached = float(num_epochs), False
    while not reached:
        seconds, found = _trained(data, steps_of(config, len(data.train), epochs))
        if epochs == num_epochs:
            print_line("recommenders", f"{name}.epoch_s", seconds / epochs, "s", "recbole", theirs["epoch_s"])
        for figure, value in found.items():
            metric = f"{name}.after_{epochs:.3g}_epochs.{figure}"
            print_line("recommenders", metric, value, "1", "recbole", theirs[figure])
        reached = found["ndcg@10"] >= theirs["ndcg@10"]
        epochs *= 1.25
    peer = theirs["epoch_s"] * num_epochs
    print_line("recommenders", f"{name}.to_peer_ndcg_s", seconds, "s", "recbole", peer)


def _trained(data: Split, config: SequentialConfig) -> tuple[float, dict[str, float]]:
    """Seconds of a whole training in this process, and figures on test users."""
    task = BuildTask(data, config, 1)()
    started = time.perf_counter()
    fit(task.objective, task.schedule, partial(task.batch, rank=0, world_size=1))
    seconds = time.perf_counter() - started
    found = data.test.recommend(task.network, 10, True)
    return seconds, {"recall@10": float(found.recall.mean()), "ndcg@10": float(found.ndcg.mean())}


def recbole(python: str, config: SequentialConfig, num_epochs: int) -> dict[str, float]:
    """The same sizes in RecBole, in a process of its own."""
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
        command = [python, "-W", "ignore", script, json.dumps(arguments)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=folder)
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def workers(num_steps: int, batch_size: int) -> None:
    """Seconds of the same steps by one worker of one thread, by two, and by two with half the items each."""
    data = amazon_beauty().refit()
    data = replace(data, test=data.validation)
    config = BEAUTY.model_copy(
        update={"batch_size": batch_size, "num_steps": num_steps, "num_validations": 1}
    )
    seconds = {}
    for num_workers, shards in ((1, False), (2, False), (2, True)):
        settings = load_config(None, ["ray.num_cpus=2", f"ray.num_workers={num_workers}"]).ray
        build = BuildTask(data, config.model_copy(update={"shard_items": shards}), 0)
        with tempfile.TemporaryDirectory() as folder:
            seconds[num_workers, shards] = train(build, "sasrec", f"{folder}/run", settings)["seconds"]
    ray.shutdown()
    one, two, sharded = seconds.values()
    print_line("recommenders", "sasrec.two_workers_s", two, "s", "one_worker", one)
    print_line("recommenders", "sasrec.two_workers_sharded_s", sharded, "s", "one_worker", one)


def main() -> None:
    """Run the chosen parts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--epochs", type=int, default=40, help="of the part beauty")
    of_augmentations = "of the part augmentations"
    parser.add_argument("--augmented-epochs", type=int, default=16, help=of_augmentations)
    parser.add_argument("--operators", nargs="*", choices=OPERATORS, default=OPERATORS, help=of_augmentations)
    parser.add_argument("--log-epochs", type=int, default=20, help="of the part logs")
    parser.add_argument("--logs", nargs="*", choices=LOGS, default=tuple(LOGS), help="of the part logs")
    parser.add_argument("--networks", nargs="*", choices=KINDS, default=KINDS, help="of the part logs")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--simulated-events", type=int, default=500_000)
    parser.add_argument("--speed-epochs", type=int, default=1)
    parser.add_argument("--speed-batch", type=int, default=256)
    parser.add_argument("--catalogue", type=int, default=300_000, help="items of the part nearest")
    parser.add_argument("--worker-steps", type=int, default=200)
    parser.add_argument("--worker-batch", type=int, default=2048)
    parser.add_argument("--peer-python", default=sys.executable, help="of an environment with RecBole")
    arguments = parser.parse_args()
    parts = {
        "beauty": lambda: beauty(arguments.epochs, arguments.seeds),
        "augmentations": lambda: augmentations(
            arguments.augmented_epochs, arguments.seeds, arguments.operators
        ),
        "logs": lambda: logs(arguments.log_epochs, arguments.logs, arguments.networks),
        "bandit": open_bandit,
        "oracle": lambda: oracle(arguments.simulated_events),
        "chorus": chorus,
        "speed": lambda: speed(arguments.peer_python, arguments.speed_epochs, arguments.speed_batch),
        "nearest": lambda: nearest(arguments.catalogue),
        "workers": lambda: workers(arguments.worker_steps, arguments.worker_batch),
    }
    for part in parts:
        if part in arguments.parts:
            parts[part]()


if __name__ == "__main__":
    main()
