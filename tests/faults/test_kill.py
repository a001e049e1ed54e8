"""kill -9 anywhere, run again: the same rows as a run that nothing disturbed."""

from pathlib import Path

import pytest

import pipeline

pytestmark = [pytest.mark.slow, pytest.mark.spark, pytest.mark.ray]


@pytest.mark.parametrize(
    ("moment", "needle", "delay"),
    [
        ("during ingest, between two commits", "bronze.items: version", 0.2),
        ("during GAN training, after a checkpoint", "gan: step 5", 0.0),
        ("during synthesis, between two generators", "gold.synthetic_candidates: version 0", 0.5),
    ],
)
def test_killed_runs_leave_no_trace(moment: str, needle: str, delay: float, disturbed_lake: Path):
    log = pipeline.run_until(disturbed_lake, needle, delay)
    assert needle in log, moment


def test_the_run_after_the_kills_has_the_same_rows(finished_lake: Path, disturbed_lake: Path):
    log = pipeline.run(disturbed_lake)
    assert "already done" in log, "what was committed before the kills is not done twice"
    assert pipeline.differing_tables(finished_lake, disturbed_lake) == []


@pytest.fixture(scope="module")
def disturbed_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("disturbed") / "lake"
