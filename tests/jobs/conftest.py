"""One small lake that the whole pipeline has filled, for all tests of it."""

from pathlib import Path

import pytest

import pipeline


@pytest.fixture(scope="session")
def finished_lake(spark: object, ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake that one undisturbed run of the whole pipeline has filled, in this process."""
    lake = tmp_path_factory.mktemp("finished") / "lake"
    pipeline.run_here(lake)
    return lake
