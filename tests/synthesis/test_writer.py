"""The Spark writer: exact counts, provenance, the same rows in any partitioning, written once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

import synthesize_samples as job
import train_generator
from clicksmith.config import Config, SynthesisConfig
from clicksmith.errors import ConfigError, NotFittedError
from clicksmith.generators.artefact import Generator, generator_folder
from clicksmith.lakehouse.catalog import Lake, Snapshot
from clicksmith.lakehouse.steps import trace_generator
from clicksmith.reading.snapshot import load_table
from clicksmith.tables import SYNTHETIC_CANDIDATES, TRAINING_EXAMPLES
from training.toy_lake import toy_examples, write_examples

pytestmark = pytest.mark.spark

SHORT = "num_steps: 2, batch_size: 50"
GENERATORS = f"generators={{ar: {{preset: tabular_ar, {SHORT}}}, gan: {{preset: ctgan, {SHORT}}}}}"


@pytest.fixture
def config(make_config: Callable[..., Config]) -> Config:
    built = make_config(
        GENERATORS, "ray.num_workers=0", "synthesis.ratio=5", "spark.rows_per_synthesis_task=4096"
    )
    write_examples(Lake.of(built), toy_examples(2500))
    train_generator.run(built)
    return built


def candidates(config: Config) -> tuple[Snapshot, pa.Table]:
    snapshot = Lake.of(config).get(SYNTHETIC_CANDIDATES)
    return snapshot, load_table(snapshot, SYNTHETIC_CANDIDATES.column_names).sort_by("sample_id")


def folder_of(config: Config, name: str) -> str:
    examples = Lake.of(config).get(TRAINING_EXAMPLES)
    return generator_folder(config, name, trace_generator(config, name, examples))


def test_rows_are_exact_and_known_and_do_not_depend_on_partitions(
    config: Config, spark: SparkSession, tmp_path: Path
) -> None:
    job.run(config)
    snapshot, rows = candidates(config)
    trained_on = Generator.load(folder_of(config, "gan")).card["num_rows"]
    for name in ("ar", "gan"):
        generator_id = folder_of(config, name).rsplit("/", 1)[1]
        mine = [row for row in rows.to_pylist() if row["generator"] == name]
        assert sorted(row["row_id"] for row in mine) == list(range(5 * trained_on))
        assert {row["sample_id"] for row in mine} == {f"{generator_id}-{n}" for n in range(len(mine))}
        assert all(row["example_id"] == row["sample_id"] for row in mine)
        assert {(row["generator_id"], row["split"], row["sample_weight"]) for row in mine} == {
            (generator_id, "train", 1.0)
        }
        nulls = ("user_id", "session_id", "request_id", "propensity")
        assert {row[column] for row in mine for column in nulls} == {None}

    job.run(config)
    assert candidates(config)[0].version == snapshot.version, "a second run writes nothing"

    # One task in place of several, in another lake, from generators trained anew: the same rows.
    fewer = config.spark.model_copy(update={"rows_per_synthesis_task": 1_000_000})
    elsewhere = config.lake.model_copy(update={"root": str(tmp_path / "other")})
    other = config.model_copy(update={"spark": fewer, "lake": elsewhere})
    write_examples(Lake.of(other), toy_examples(2500))
    train_generator.run(other)
    job.run(other)
    assert candidates(other)[1].equals(rows)


def with_mix(config: Config, *groups: dict[str, Any]) -> Config:
    return config.model_copy(
        update={"synthesis": SynthesisConfig.model_validate({"ratio": 1.5, "mix": groups})}
    )


@pytest.mark.parametrize(("name", "most"), [("ar", 60), ("gan", None)])
def test_rows_are_re_weighted_on_demand(
    config: Config, spark: SparkSession, name: str, most: int | None
) -> None:
    """60 % purchases of (rarely bought) goods, of a preset that is given them and of one that draws."""
    one = config.model_copy(update={"generators": {name: config.generators[name]}})
    wanted = {"label_purchase": True, "item_category": ["DAIRY", "GROCERY"]}
    if most is not None:
        wanted["item_num_purchases"] = {"max": most}
    changed = with_mix(one, {"share": 0.6, "where": wanted})
    job.run(changed)
    rows = candidates(changed)[1].to_pandas()
    assert set(rows.generator) == {name}
    found = rows.label_purchase & rows.item_category.isin(wanted["item_category"])
    if most is not None:
        found &= rows.item_num_purchases <= most
        # Purchases that straddle the border of a bin are left to the rest.
        assert found.sum() == pytest.approx(0.6 * len(rows), abs=0.02 * len(rows))
    else:
        assert found.sum() == pytest.approx(0.6 * len(rows), abs=3)
    with pytest.raises(ConfigError, match="which the generator has not learnt"):
        job.run(with_mix(one, {"share": 0.6, "where": {"item_category": "PRODUCTS"}}))


def test_a_generator_that_is_not_trained_is_a_clear_error(config: Config) -> None:
    with pytest.raises(NotFittedError, match="Run train_generator first"):
        job.run(config.model_copy(update={"seed": 7}))
