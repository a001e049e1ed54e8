"""Two real Ray nodes on this machine: the same weights, whatever dies on the way and however many workers."""

from pathlib import Path

import pytest
import torch

from clicksmith.config import RayConfig
from clicksmith.lakehouse.catalog import Lake
from clicksmith.training.checkpoint import RunCheckpoint
from cluster import three_presets
from cluster.nodes import Driver, Training, TwoNodes, largest_difference
from training.toy_lake import toy_examples, write_examples

pytestmark = [pytest.mark.slow, pytest.mark.ray]

STEPS, EVERY = 60, 6
GAN = f"{{gan: {{preset: ctgan, num_steps: {STEPS}, batch_size: 300, checkpoint_every: {EVERY}}}}}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("two_nodes")
    write_examples(Lake(str(root / "lake")), toy_examples(3000))
    return root


@pytest.fixture(scope="module")
def undisturbed(folder: Path, two_nodes: TwoNodes) -> Training:
    return Training(folder / "lake", folder / "undisturbed", GAN).run(two_nodes.address)


@pytest.fixture(scope="module")
def stopped(folder: Path, two_nodes: TwoNodes) -> Training:
    """Its driver was killed after a checkpoint."""
    training = Training(folder / "lake", folder / "stopped", GAN)
    driver = training.start(two_nodes.address)
    training.wait_for_checkpoint(driver)
    driver.kill()
    assert not training.has_ended, "it was killed before the end"
    return training


def test_two_nodes_one_node_and_one_worker(tmp_path: Path, two_nodes: TwoNodes, ray_cluster: None) -> None:
    one_node = three_presets.run(str(tmp_path / "one"), RayConfig(num_workers=2))
    status, log = Driver(three_presets.__file__, two_nodes.address, str(tmp_path / "two")).end()
    assert status == 0, log
    checkpoint = RunCheckpoint(str(tmp_path / "two" / "runs" / "three"), 2)
    on_two_nodes = checkpoint.load(checkpoint.read())
    assert on_two_nodes is not None
    nodes = [{(tmp_path / name / f"node{rank}").read_text() for rank in (0, 1)} for name in ("one", "two")]
    assert [len(found) for found in nodes] == [1, 2]
    one_worker = three_presets.run(str(tmp_path / "here"), RayConfig(num_workers=0))
    for preset in three_presets.PRESETS:
        mine, two, one = (state[preset] for state in (on_two_nodes, one_node, one_worker))
        assert mine["history"] == two["history"], preset
        assert all(torch.equal(mine["weights"][name], tensor) for name, tensor in two["weights"].items())


def test_a_killed_driver_costs_nothing(
    undisturbed: Training, stopped: Training, folder: Path, two_nodes: TwoNodes
) -> None:
    resumed = stopped.copy(folder / "resumed").run(two_nodes.address)
    assert resumed.card["starts"][1]["step"] >= EVERY
    assert resumed.card["history"] == undisturbed.card["history"]
    assert largest_difference(resumed.weights, undisturbed.weights) == 0
