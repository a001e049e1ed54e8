"""kill -9 anywhere, run again, with twice the partitions: the same rows as an undisturbed run."""

from pathlib import Path

import pytest

import pipeline

pytestmark = [pytest.mark.soak, pytest.mark.spark, pytest.mark.ray]

TWICE_THE_PARTITIONS = (
    "spark.shuffle_partitions=4",
    "spark.rows_per_partition=4000",
    "spark.rows_per_synthesis_task=4096",
)


@pytest.fixture(scope="module")
def disturbed_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("disturbed") / "lake"


@pytest.mark.parametrize(
    ("moment", "needle", "delay"),
    [
        ("during ingest, between two commits", "bronze.items: version", 0.2),
        ("during GAN training, after a checkpoint", "gan: step ", 0.0),
        ("during synthesis, between two generators", "gold.synthetic_candidates: version 0", 0.5),
    ],
)
def test_kill(moment: str, needle: str, delay: float, disturbed_lake: Path):
    log = pipeline.run_until(disturbed_lake, needle, delay, TWICE_THE_PARTITIONS)
    assert "finished in" not in log, moment


def test_the_run_after_the_kills_has_the_rows_of_an_undisturbed_run(
    finished_lake: Path, disturbed_lake: Path
):
    log = pipeline.run(disturbed_lake, TWICE_THE_PARTITIONS)
    assert "already done" in log, "what was committed before a kill is not done twice"
    assert pipeline.differing_tables(finished_lake, disturbed_lake) == []
    assert pipeline.model_weights(finished_lake) == pipeline.model_weights(disturbed_lake)


def test_a_process_run_again_does_nothing_twice(disturbed_lake: Path):
    before = pipeline.versions(disturbed_lake)
    log = pipeline.run(disturbed_lake, TWICE_THE_PARTITIONS)
    assert pipeline.versions(disturbed_lake) == before
    assert ": version" not in log.replace("is already of this run", ""), "a table was written"
    assert "step " not in log, "a model was trained"
