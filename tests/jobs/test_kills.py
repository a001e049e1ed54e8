"""kill -9 anywhere, run again, with twice the partitions: the same rows as an undisturbed run."""

import json
import re
import shutil
from pathlib import Path

import pytest

import pipeline
from clicksmith.tables import EVALUATION_METRICS, VERDICTS

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


def test_a_measurement_that_is_killed_goes_on(finished_lake: Path, tmp_path: Path):
    """With one seed more than the lake was measured with: every training of it is still to be done."""
    undisturbed, killed = (Path(shutil.copytree(finished_lake, tmp_path / name)) for name in ("one", "other"))
    more = ("lift.num_seeds=4",)
    log = pipeline.run_until(killed, "ranking: trainings done: 1 of", 0.0, more, "measure_lift")
    assert "trainings of dcnv2, 0 of them done before" in log
    done = trainings(killed, finished_lake)
    assert done and all("/ranking/" in name for name in done)
    log = pipeline.run(killed, more, "measure_lift")
    counts = re.search(r"ranking: (\d+) trainings of dcnv2, (\d+) of them done before", log)
    assert counts is not None and len(done) <= int(counts[2]) < int(counts[1])
    after = trainings(killed, finished_lake)
    assert done.items() <= after.items(), "what was trained is not trained again"
    pipeline.run(undisturbed, more, "measure_lift")
    assert after.keys() == trainings(undisturbed, finished_lake).keys()
    for table in (VERDICTS, EVALUATION_METRICS):
        assert pipeline.rows(killed, table).equals(pipeline.rows(undisturbed, table)), table.name
    seeds = {json.loads(row["evidence"])["num_seeds"] for row in pipeline.rows(killed, VERDICTS).to_pylist()}
    assert seeds == {4}


def trainings(lake: Path, before: Path) -> dict[str, int]:
    """Finished trainings of a measurement that another lake lacks, with the moment each was written at."""
    found = (path for path in (lake / "_models" / "runs").glob("measure_lift-*/**/*.safetensors"))
    names = {str(path.relative_to(lake)): path.stat().st_mtime_ns for path in found}
    return {name: moment for name, moment in names.items() if not (before / name).exists()}
