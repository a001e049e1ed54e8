"""Generators on a real cluster of two Ray nodes: killed workers, drivers and nodes, other numbers of workers.

The model trained undisturbed on one node by two workers of the session's cluster is the truth for all.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file

import train_generator as job
from clicksmith.config import Config, load_config
from clicksmith.generators.artefact import generator_folder
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.steps import trace_generator
from clicksmith.tables import TRAINING_EXAMPLES
from cluster import nodes
from training.toy_lake import toy_examples, write_examples

pytestmark = [pytest.mark.soak, pytest.mark.ray]

STEPS = 120
OPTIONS = f"num_steps: {STEPS}, batch_size: 500, checkpoint_every: 20, min_users: 1"
GAN = f"generators={{g: {{preset: tabular_gan, {OPTIONS}}}}}"
# Other numbers of workers round otherwise, and a fast training magnifies that: see EXPERIMENTS.md.
SLOW = f"generators={{g: {{preset: tabular_ar, learning_rate: 0.0003, mixed_precision: false, {OPTIONS}}}}}"


@pytest.fixture(scope="module")
def cluster() -> Iterator[nodes.TwoNodes]:
    started = nodes.TwoNodes()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("two_nodes") / "lake"
    write_examples(Lake(str(root)), toy_examples(20000))
    return root


def settings_of(lake: Path, models: Path, num_workers: int = 2, generator: str = GAN) -> list[str]:
    return [f"lake.root={lake}", f"ray.storage_path={models}", generator, f"ray.num_workers={num_workers}"]


def result_of(
    lake: Path, models: Path, generator: str = GAN
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Card and weights."""
    config: Config = load_config(None, settings_of(lake, models, generator=generator))
    examples = Lake.of(config).get(TRAINING_EXAMPLES)
    folder = Path(generator_folder(config, "g", trace_generator(config, "g", examples)))
    return json.loads((folder / "card.json").read_text()), load_file(folder / "weights.safetensors")


@pytest.fixture(scope="module")
def truth(
    lake: Path, tmp_path_factory: pytest.TempPathFactory, ray_cluster: None
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    models = tmp_path_factory.mktemp("truth")
    job.run(load_config(None, settings_of(lake, models)))
    return result_of(lake, models)


@pytest.fixture(scope="module")
def slow_truth(
    lake: Path, tmp_path_factory: pytest.TempPathFactory, ray_cluster: None
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    models = tmp_path_factory.mktemp("slow_truth")
    job.run(load_config(None, settings_of(lake, models, generator=SLOW)))
    return result_of(lake, models, SLOW)


def kill_driver_at(step: int) -> Callable[[str, subprocess.Popen[str]], None]:
    def on_line(line: str, process: subprocess.Popen[str]) -> None:
        if step <= nodes.step_in(line) < STEPS:
            process.kill()

    return on_line


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def assert_close(one: tuple[Any, Any], other: tuple[Any, Any], *, nats: float, distance: float) -> None:
    """Held-out losses `nats` a row apart at most, weights whose distance is `distance` of their length."""
    (card, weights), (other_card, other_weights) = one, other
    assert card["metrics"]["held_out_nats"] == pytest.approx(other_card["metrics"]["held_out_nats"], abs=nats)
    mine, theirs = (
        torch.cat([w.flatten().float() for w in both.values()]) for both in (weights, other_weights)
    )
    assert float((mine - theirs).norm() / theirs.norm()) < distance


def test_a_driver_a_worker_and_a_node_killed_cost_nothing_but_time(
    cluster: nodes.TwoNodes, lake: Path, tmp_path: Path, truth: tuple[Any, Any]
) -> None:
    """kill -9 of the driver, then of the second node's worker, then of that node, which another replaces."""
    settings = settings_of(lake, tmp_path)
    status, log = nodes.run(cluster.address, settings, kill_driver_at(20))
    assert status != 0, log
    reached = max(map(nodes.step_in, log.splitlines()))
    killed: list[psutil.Process] = []
    replaced: list[int] = []

    def disturb(line: str, process: subprocess.Popen[str]) -> None:
        step = nodes.step_in(line)
        if step <= reached or replaced:
            return
        on_nodes = cluster.workers()
        if not killed:
            assert [len(workers) for workers in on_nodes] == [1, 1], "one worker on each node"
            killed.append(on_nodes[1][0])
            nodes.kill(killed[0])
        elif len(on_nodes[1]) == 1 and on_nodes[1] != killed:  # not a line from before the group's new start
            replaced.append(step)
            cluster.replace_second()

    status, log = nodes.run(cluster.address, settings, disturb)
    assert status == 0, log
    assert replaced, log
    assert min(step for step in map(nodes.step_in, log.splitlines()) if step) >= reached
    card, weights = result_of(lake, tmp_path)
    assert_equal(weights, truth[1])
    assert card["history"] == truth[0]["history"]
    assert len(card["starts"]) == 4, "each of the three kills cost a start"


def test_a_run_goes_on_with_other_numbers_of_workers(
    cluster: nodes.TwoNodes, lake: Path, tmp_path: Path, slow_truth: tuple[Any, Any]
) -> None:
    reached = 0
    for num_workers, stop in ((2, 20), (1, 60), (2, STEPS)):
        on_line = kill_driver_at(max(stop, reached + 1))
        settings = settings_of(lake, tmp_path, num_workers, SLOW)
        status, log = nodes.run(cluster.address, settings, on_line)
        steps = [step for step in map(nodes.step_in, log.splitlines()) if step]
        assert min(steps) >= reached, f"{num_workers} workers went on from the last checkpoint"
        assert (status == 0) == (stop == STEPS), log
        reached = max(steps)
    card, weights = result_of(lake, tmp_path, SLOW)
    assert [start["num_workers"] for start in card["starts"]] == [2, 1, 2]
    assert_close((card, weights), slow_truth, nats=2e-4, distance=2e-3)
    assert not all(torch.equal(weights[name], slow_truth[1][name]) for name in weights), (
        "one worker sums otherwise"
    )


def test_workers_that_cannot_start_are_a_clear_error(
    cluster: nodes.TwoNodes, lake: Path, tmp_path: Path
) -> None:
    settings = [*settings_of(lake, tmp_path, 5), "ray.start_timeout=4"]
    status, log = nodes.run(cluster.address, settings)
    assert status == 2
    assert "ray.num_workers is 5, each on a CPU of its own; the Ray cluster has 2 CPUs" in log, log
    assert "Traceback" not in log
