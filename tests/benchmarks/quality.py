"""All figures of a preset on a data set, and of anybody's generated rows."""

import multiprocessing
import time
from collections.abc import Mapping, Sequence
from statistics import mean

import numpy as np
import pyarrow as pa
import torch
import torch._dynamo  # the first optimizer would load it, which is no part of its training

from benchmarks.lines import peak_mb, print_line
from benchmarks.real_data import Dataset
from clicksmith.config import generator_config
from clicksmith.config.presets import TrainedOptions
from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.evaluation.compare import compare_tables
from clicksmith.evaluation.quality import fidelity, two_sample
from clicksmith.evaluation.quality.utility import trained_auc
from clicksmith.evaluation.samples.sample import Coding
from clicksmith.generators.presets import PRESETS, build_recipe
from clicksmith.generators.recipe import Shard
from clicksmith.generators.tabular.kind import EXAMPLES

SEED = 0
NUM_THREADS = 2
BATCH_SIZE = 500
STEPS = {"independent": 1, "smote": 1, "dense_gan": 150}
"""Others train for the same number of steps; the dense one's are several times as long."""

FIGURES = {
    "fidelity.triples": "triples",
    "privacy.dcr_share": "dcr_share",
    "privacy.domias_auc": "mia_auc",
    "privacy.domias_tpr": "mia_tpr_at_1pct",
    "privacy.identical_share": "identical_share",
}
UNITS = {"train_s": "s", "sample_rows_per_s": "rows/s", "peak_mb": "MB", "heldout_gap_nats": "nats"}


def compare_presets(
    prefix: str,
    data: Dataset,
    presets: Sequence[str],
    num_steps: int,
    peer: str | None = None,
    theirs: Mapping[str, float] | None = None,
) -> None:
    """Print every figure of every preset, each in a process of its own: the peak of memory is its own."""
    spawn = multiprocessing.get_context("spawn")
    for preset in presets:
        with spawn.Pool(1) as pool:
            print_figures(f"{prefix}{preset}", pool.apply(ours, (preset, data, num_steps)), peer, theirs)


def print_figures(
    name: str,
    figures: Mapping[str, float],
    peer: str | None = None,
    theirs: Mapping[str, float] | None = None,
) -> None:
    """Print the figures of a generator, beside a peer's where there is one."""
    for figure, value in figures.items():
        unit = UNITS.get(figure, "1")
        print_line("generators", f"{name}.{figure}", value, unit, peer, (theirs or {}).get(figure))


def ours(preset: str, data: Dataset, num_steps: int) -> dict[str, float]:
    """All figures of a preset."""
    torch.set_num_threads(NUM_THREADS)
    started = time.perf_counter()
    codec = TableCodec.fit(data.train, data.columns, data.max_bins)
    rows = codec.encode(data.train)
    steps = STEPS.get(preset, num_steps)
    trained = issubclass(PRESETS[preset].options, TrainedOptions)  # others count, in one step
    options = {"num_steps": steps, "batch_size": BATCH_SIZE} if trained else {}
    settings = generator_config({"preset": preset, **options})
    recipe = build_recipe(settings, SEED, codec, rows)
    recipe.prepare(lambda module: module)
    for step in range(settings.schedule.num_steps):
        recipe.step(step, Shard())
    recipe.finish(Shard())
    figures = {"train_s": time.perf_counter() - started}
    started = time.perf_counter()
    size = EXAMPLES.block_rows
    blocks = [
        recipe.sampler.sample(SEED + 1, np.arange(block * size, (block + 1) * size))
        for block in range(-(-len(rows) // size))
    ]
    encoded = Encoded(
        *(np.concatenate([getattr(b, part) for b in blocks]) for part in ("codes", "positions"))
    )
    generated = codec.decode(encoded)
    figures["sample_rows_per_s"] = generated.num_rows / (time.perf_counter() - started)
    figures["peak_mb"] = peak_mb()
    held_out = codec.encode(data.test)
    nats = [recipe.row_nats(part) for part in (held_out, rows)]
    if nats[0] is not None and nats[1] is not None:
        figures["heldout_nats"] = float(nats[0].mean())
        figures["heldout_gap_nats"] = figures["heldout_nats"] - float(nats[1].mean())
    return {**figures, **judge(data, generated.slice(0, len(rows)))}


def judge(data: Dataset, rows: pa.Table) -> dict[str, float]:
    """Figures of generated rows: fidelity and utility against the test rows, privacy against both sides."""
    coding = Coding.fit(data.train, data.columns)
    sample, test = coding.encode(rows), coding.encode(data.test)
    shapes = fidelity.column_shapes(test, sample).by_columns
    pairs = fidelity.column_pairs(coding, test, sample).by_columns
    # Disjoint samples of the test rows' size: the chance of one moves the area by .01.
    size = test.num_rows
    parts = [coding.encode(rows.slice(start, size)) for start in range(0, rows.num_rows - size + 1, size)]
    metrics = compare_tables(
        data.train, data.test, rows, labels=[data.label], columns=data.columns, seed=SEED
    )
    found = {metric.metric: metric.value for metric in metrics if metric.slice == "all"}
    return {
        "quality": (mean(shapes.values()) + mean(pairs.values())) / 2,
        "c2st_auc": mean(two_sample.c2st_auc(test, part, SEED)[0] for part in parts),
        "tstr_auc": trained_auc(coding, sample, test, data.label, (), SEED)[0],
        **{name: found[metric] for metric, name in FIGURES.items()},
    }
