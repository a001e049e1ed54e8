"""The Spark writer: a tabular_gan's rows to gold.synthetic_candidates on two cores, the commit included.

The generator is trained for a few steps only: what sampling costs does not depend on it.
"""

import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa

from benchmarks.lines import print_line
from clicksmith.config import Config, load_config
from clicksmith.generators.artefact import generator_folder, read_card
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.session import open_session
from clicksmith.lakehouse.steps import trace_generator
from clicksmith.reading.snapshot import load_examples
from clicksmith.tables import SYNTHETIC_CANDIDATES, TRAINING_EXAMPLES
from training.toy_lake import toy_examples, write_examples

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "jobs"))

import synthesize_samples
import train_generator

TRAINING_ROWS = 50_000
PEER_ROWS_PER_S = 36_600.0
"""Rows that mostlyai-engine 2.7.3 generates a second of the adult data on two cores, at its fastest."""


def run(lake: Path, num_rows: int) -> None:
    """Print the rows written a second.

    Args:
        lake: whose training examples the generator learns; toy ones where there is no such lake.
        num_rows: to write.
    """
    with tempfile.TemporaryDirectory() as folder:
        config = _config(folder)
        write_examples(Lake.of(config), _examples(lake))
        train_generator.run(config)
        config = _config(folder, f"synthesis.ratio={num_rows / _num_learnt(config)}")
        open_session(config)
        started = time.perf_counter()
        synthesize_samples.run(config)
        seconds = time.perf_counter() - started
        written = Lake.of(config).get(SYNTHETIC_CANDIDATES).num_rows
    assert written == num_rows, f"{written} rows"
    rate = num_rows / seconds
    print_line(
        "generators", "tabular_gan.writer_rows_per_s", rate, "rows/s", "mostlyai-engine", PEER_ROWS_PER_S
    )


def _config(folder: str, *overrides: str) -> Config:
    own = [f"lake.root={folder}", "spark.master=local[2]", "ray.num_workers=0"]
    generators = "generators={gan: {preset: tabular_gan, num_steps: 20}}"
    return load_config(None, [*own, generators, *overrides])


def _examples(lake: Path) -> pa.Table:
    if not (lake / "gold" / "training_examples").is_dir():
        return toy_examples(TRAINING_ROWS)
    examples = Lake(str(lake)).get(TRAINING_EXAMPLES)
    return load_examples(examples, TRAINING_EXAMPLES.column_names, "train", TRAINING_ROWS)


def _num_learnt(config: Config) -> int:
    lineage = trace_generator(config, "gan", Lake.of(config).get(TRAINING_EXAMPLES))
    card = read_card(generator_folder(config, "gan", lineage))
    assert card is not None
    return int(card["num_rows"])
