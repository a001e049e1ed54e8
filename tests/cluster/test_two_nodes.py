"""Two real Ray nodes on this machine: the same weights, whatever dies on the way and however many workers."""

import time
from pathlib import Path

import pytest
import torch

from clicksmith.config import RayConfig
from clicksmith.lakehouse.catalog import Lake
from clicksmith.training.checkpoint import RunCheckpoint, State
from cluster import three_presets
from cluster.nodes import Driver, Training, TwoNodes, largest_difference
from training.toy_lake import toy_examples, write_examples

pytestmark = [pytest.mark.slow, pytest.mark.ray]

EVERY = 5
GAN = f"{{gan: {{preset: ctgan, num_steps: 40, batch_size: 300, checkpoint_every: {EVERY}}}}}"
AR_STEPS = 60
AUTOREGRESSIVE = (
    f"{{gan: {{preset: tabular_ar, num_steps: {AR_STEPS}, batch_size: 300, checkpoint_every: 10}}}}"
)
AR_TOLERANCE = 0.01
"""Nats a row: float32 sums over rows have another order on another number of workers. Losses of two steps'
rows are some 0.5 nats apart, so other rows would show."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("two_nodes")
    write_examples(Lake(str(root / "lake")), toy_examples(3000))
    return root


@pytest.fixture(scope="module")
def undisturbed(folder: Path, two_nodes: TwoNodes) -> Training:
    return Training(folder / "lake", folder / "undisturbed", GAN).run(two_nodes.address)


def stop_after_a_checkpoint(training: Training, address: str, after: int = 0, *settings: str) -> int:
    """kill -9 of its driver once there is a checkpoint of a later step; returns that step."""
    driver = training.start(address, *settings)
    step = training.wait_for_checkpoint(driver, after)
    driver.kill()
    assert not training.has_ended, "it was killed before the end"
    return step


def three_presets_on(folder: Path, *address: str) -> State:
    """What two workers of a driver of its own have at the end."""
    status, log = Driver(three_presets.__file__, str(folder), *address).end()
    assert status == 0, log
    checkpoint = RunCheckpoint(str(folder / "runs" / "three"), 2)
    state = checkpoint.load(checkpoint.read())
    assert state is not None
    return state


def test_two_nodes_one_node_and_one_worker(tmp_path: Path, two_nodes: TwoNodes) -> None:
    on_two_nodes = three_presets_on(tmp_path / "two", two_nodes.address)
    on_one_node = three_presets_on(tmp_path / "one")
    nodes = [{(tmp_path / name / f"node{rank}").read_text() for rank in (0, 1)} for name in ("one", "two")]
    assert [len(found) for found in nodes] == [1, 2]
    one_worker = three_presets.run(str(tmp_path / "here"), RayConfig(num_workers=0))
    for preset, tolerance in three_presets.TOLERANCES.items():
        mine, two, one = (state[preset] for state in (on_two_nodes, on_one_node, one_worker))
        assert mine["history"] == two["history"], preset
        assert all(torch.equal(mine["weights"][name], tensor) for name, tensor in two["weights"].items())
        apart = three_presets.distance(mine["weights"], one["weights"])
        assert apart / three_presets.distance(one["weights"], one["initial"]) < tolerance, preset


def test_a_killed_driver_costs_the_steps_since_the_checkpoint(
    undisturbed: Training, folder: Path, two_nodes: TwoNodes
) -> None:
    training = Training(folder / "lake", folder / "stopped", GAN)
    step = stop_after_a_checkpoint(training, two_nodes.address)
    training.run(two_nodes.address)
    assert step <= training.card["starts"][1]["step"] <= step + EVERY
    assert training.card["history"] == undisturbed.card["history"]
    assert largest_difference(training.weights, undisturbed.weights) == 0


def test_a_killed_worker_and_a_lost_node_cost_the_steps_since_the_checkpoint(
    undisturbed: Training, folder: Path, two_nodes: TwoNodes
) -> None:
    training = Training(folder / "lake", folder / "disturbed", GAN)
    driver = training.start(two_nodes.address)
    first = training.wait_for_checkpoint(driver)
    two_nodes.kill_worker_on_second_node()
    second = training.wait_for_checkpoint(driver, after=first + 2 * EVERY)  # so far only new workers come
    two_nodes.remove_second_node()
    time.sleep(2)
    two_nodes.add_second_node()
    status, log = driver.end()
    assert status == 0, log
    starts = [start["step"] for start in training.card["starts"]]
    assert len(starts) == 3
    assert first <= starts[1] <= first + EVERY
    assert second <= starts[2] <= second + EVERY
    assert training.card["history"] == undisturbed.card["history"]
    assert largest_difference(training.weights, undisturbed.weights) == 0


def test_a_run_goes_on_with_other_numbers_of_workers(folder: Path, two_nodes: TwoNodes) -> None:
    """Two workers, then one, then two; each goes on from the checkpoint of the one before."""
    alone = Training(folder / "lake", folder / "alone", AUTOREGRESSIVE).run(None)
    training = Training(folder / "lake", folder / "changing", AUTOREGRESSIVE)
    first = stop_after_a_checkpoint(training, two_nodes.address)
    second = stop_after_a_checkpoint(training, two_nodes.address, first, "ray.num_workers=1")
    card = training.run(two_nodes.address).card
    assert [start["num_workers"] for start in card["starts"]] == [2, 1, 2]
    steps = [start["step"] for start in card["starts"]]
    assert first <= steps[1] < second <= steps[2] < AR_STEPS
    assert card["num_workers"] == 2
    for name in ("step", "nats", "held_out_nats"):
        mine, its = ([e[name] for e in c["history"] if name in e] for c in (card, alone.card))
        assert mine == pytest.approx(its, abs=AR_TOLERANCE), name
        assert len(mine) == (AR_STEPS / 10 if name == "held_out_nats" else AR_STEPS)


def test_workers_that_find_no_place_are_one_clear_error(folder: Path, two_nodes: TwoNodes) -> None:
    training = Training(folder / "lake", folder / "none", GAN)
    settings = ("ray.num_workers=3", "ray.start_timeout=4")
    status, log = training.start(two_nodes.address, *settings).end()
    assert status == 2
    last = log.strip().splitlines()[-1]
    assert (
        "ray.num_workers is 3, each on a CPU of its own; the Ray cluster has 2 CPUs, 2 of them free" in last
    )
    assert "Traceback" not in log
