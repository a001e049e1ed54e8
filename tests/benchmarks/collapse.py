"""Each measure against mode collapse alone and together, on mixtures with planted modes.

Prints a table on stderr and one JSON line a figure on stdout. `peer` is the same GAN with no measure.
"""

import sys
from collections.abc import Mapping

import numpy as np
import torch

from benchmarks.lines import print_line
from clicksmith.generators.recipe import Shard
from clicksmith.generators.tabular.fixing import TooRareError
from clicksmith.generators.tabular.kind import EXAMPLES
from clicksmith.training.engine.likelihood import Watched
from clicksmith.training.engine.loop import Plan, Progress, run_loop
from generators.mixtures import covered_modes, mixture_data
from generators.toy_joint import toy_recipe

SEEDS = (1, 2, 3)
NUM_STEPS = 1500
NUM_ROWS = 5000
SAMPLE_ROWS = 2500
POSITIVES = 0.05
BASE = {"preset": "gan", "num_steps": NUM_STEPS, "batch_size": 100, "learning_rate": 5e-4}

MEASURES: Mapping[str, Mapping[str, object]] = {
    "none": {},
    "packing": {"packing": 2},
    "average": {"average_weights": True},
    "adaptive_rates": {"adaptive_rates": True},
    "clip": {"gradient_clip": 1.0},
    "rollbacks": {"max_rollbacks": 3},
    "packing+adaptive_rates": {"packing": 2, "adaptive_rates": True},
    "packing+clip": {"packing": 2, "gradient_clip": 1.0},
    "packing+average": {"packing": 2, "average_weights": True},
    "all": {
        "packing": 2,
        "average_weights": True,
        "adaptive_rates": True,
        "gradient_clip": 1.0,
        "max_rollbacks": 3,
    },
}
BALANCE: Mapping[str, Mapping[str, object]] = {
    "none": {},
    "balance": {"balance_by": "label"},
    "packing": {"packing": 2},
    "packing+balance": {"packing": 2, "balance_by": "label"},
}


def measure(
    mixture: str, seed: int, measures: Mapping[str, object], positives: float | None
) -> tuple[int, float, int]:
    """Covered modes, share of rows that belong to one, and rollbacks of one training."""
    codec, data = mixture_data(mixture, NUM_ROWS, positives=positives)
    _, held_out = mixture_data(mixture, 1000, seed=1, positives=positives)
    config = {**BASE, "max_rollbacks": 0, **measures}
    recipe = toy_recipe(codec, data, seed=seed, **config)
    plan = Plan(
        NUM_STEPS,
        150,
        Watched(held_out),
        Watched(held_out),
        seed,
        EXAMPLES.signs,
        int(str(config["max_rollbacks"])),
    )
    progress = run_loop(recipe, plan, Shard(), Progress(), lambda now: None)
    ids = np.arange(SAMPLE_ROWS)
    if positives is None:
        return *covered_modes(codec.decode(recipe.sampler.sample(5, ids)), mixture), progress.rollbacks
    # Each half of the modes among the rows of its label: rare ones count as much as frequent ones.
    parts = []
    for label in (False, True):
        fixed = {0: np.full(SAMPLE_ROWS, 1 + codec.columns[0].values.index(label))}
        try:
            rows = codec.decode(recipe.sampler.sample(5, ids, fixed))
        except TooRareError:
            parts.append((0, 0.0))
            continue
        parts.append(covered_modes(rows, mixture, slice(int(label), None, 2)))
    return sum(n for n, _ in parts), sum(share for _, share in parts) / 2, progress.rollbacks


def compare(
    mixture: str, variants: Mapping[str, Mapping[str, object]], positives: float | None = None
) -> None:
    """All variants on one mixture; the first is what the others are compared with."""
    title = mixture if positives is None else f"{mixture}_{positives:.0%}_positive"
    baseline: float | None = None
    for name, measures in variants.items():
        found = [measure(mixture, seed, measures, positives) for seed in SEEDS]
        modes = [modes for modes, _, _ in found]
        share, value = float(np.mean([share for _, share, _ in found])), float(np.mean(modes))
        baseline = value if baseline is None else baseline
        rollbacks = sum(count for _, _, count in found)
        sys.stderr.write(f"| {title} | {name} | {modes} | {share:.2f} | {rollbacks} |\n")
        metric = f"{title}.{name}.covered_modes"
        print_line("collapse", metric, value, "modes", "gan, no measure", baseline)


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.stderr.write("| mixture | measures | covered modes by seed | rows in a mode | rollbacks |\n")
    compare("ring", MEASURES)
    compare("grid", MEASURES)
    compare("ring", BALANCE, POSITIVES)
