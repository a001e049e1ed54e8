"""One of several data-parallel processes: trains a GAN that collapses, and writes what it has at the end.

Arguments: rank, number of ranks, a file to meet at, a file to write.
"""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from clicksmith.config import generator_config
from clicksmith.generators.presets import build_recipe
from clicksmith.generators.recipe import Shard
from clicksmith.generators.tabular.kind import EXAMPLES
from clicksmith.training.engine.checkpoint import dump_state
from clicksmith.training.engine.likelihood import Watched
from clicksmith.training.engine.loop import Plan, Progress, dump, run_loop
from generators.toy_joint import toy_data

OPTIONS = {
    "preset": "gan",
    "num_steps": 60,
    "batch_size": 100,
    "learning_rate": 0.1,  # so high that the generator collapses
    "packing": 2,
    "gradient_clip": 5.0,
    "adaptive_rates": True,
    "average_weights": True,
    "balance_by": "label",
}


def main(rank: int, num_ranks: int, meet: str, target: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meet}", rank=rank, world_size=num_ranks)
    codec, data = toy_data(2000)
    recipe = build_recipe(generator_config(OPTIONS), 1, codec, data)
    recipe.prepare(lambda module: DistributedDataParallel(module, broadcast_buffers=False))
    plan = Plan(60, 10, Watched(data.head(500)), Watched(data.head(500)), 3, EXAMPLES.signs)
    progress = run_loop(recipe, plan, Shard(rank, num_ranks), Progress(), lambda now: None)
    Path(target).write_bytes(dump_state(dump(recipe, progress)))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
