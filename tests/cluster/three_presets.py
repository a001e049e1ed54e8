"""A training function that trains three presets one after another; as a script, the driver that runs it.

Arguments of the script: folder, and the address of a Ray cluster; without one it starts its own, of one node.
"""

import copy
import sys
from pathlib import Path
from typing import Any

import ray
import torch

from clicksmith.config import GeneratorConfig, RayConfig
from clicksmith.generators.presets import build_recipe
from clicksmith.training.checkpoint import State
from clicksmith.training.loop import Plan, Progress, run_loop
from clicksmith.training.workers import Worker, run_workers
from generators.toy_joint import toy_data

TOLERANCES = {"tabular_gan": 0.02, "tabular_ar": 1e-5, "ctgan": 0.05}
"""How far two workers' weights may be from one worker's, as a part of the way from the initial ones.

Sums over rows have another order. Games magnify that: Adam's first steps do not shrink with the gradient.
"""

STEPS = 10


def train(worker: Worker, folder: str) -> None:
    """Every worker also writes which node it is on."""
    if ray.is_initialized():
        node = ray.get_runtime_context().get_node_id()
        Path(folder, f"node{worker.shard.rank}").write_text(node)
    codec, data = toy_data(600)
    trained: dict[str, Any] = {}
    for preset in TOLERANCES:
        settings = GeneratorConfig.model_validate({"preset": preset, "batch_size": 120, "num_steps": STEPS})
        recipe = build_recipe(settings, 1, codec, data)
        recipe.prepare(worker.prepare)
        initial = copy.deepcopy(dict(recipe.sampler.state_dict()))
        plan = Plan(STEPS, STEPS, data.head(100), data.head(100), seed=3)
        progress = run_loop(recipe, plan, worker.shard, Progress(), lambda now: None)
        weights = dict(recipe.sampler.state_dict())
        trained[preset] = {"history": progress.history, "initial": initial, "weights": weights}
    worker.save(lambda: trained, STEPS, {"step": STEPS})


def run(folder: str, config: RayConfig) -> State:
    """What the workers have at the end, by preset."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    return run_workers(train, folder, "three presets", f"{folder}/runs/three", config)


def distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """Euclidean, over all weights."""
    return float(sum((one[name].double() - other[name].double()).square().sum() for name in one)) ** 0.5


if __name__ == "__main__":
    run(sys.argv[1], RayConfig(address=sys.argv[2] if len(sys.argv) > 2 else None, num_workers=2))
