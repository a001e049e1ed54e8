"""One Spark session and one Ray cluster for each process of a test run, of which `make test` starts two."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "jobs"))
# Tests start many short-lived JVMs, here and in jobs' own processes: compiling hot code to the last takes
# longer than it saves (tests/events/test_clean.py: 58 s with, 47 s without), and to verify Spark's own
# classes takes a tenth of a job. Rows do not depend on either. With the first compiler alone Java would keep
# 48 MB for compiled code, which a whole pipeline fills.
os.environ.setdefault(
    "JDK_JAVA_OPTIONS",
    "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m "
    "-XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote",
)
if "PYTEST_XDIST_WORKER" in os.environ:
    # Threads of two processes would wait for one another on two cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from clicksmith.config import Config, load_config  # noqa: E402
from clicksmith.lakehouse.catalog import Lake  # noqa: E402

INTERPRETED = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}
"""Few rows are done before their plan is compiled: a commit of one row takes 1.4 s in place of 1.8, the first
5.1 in place of 8.1."""


def pytest_configure(config: pytest.Config) -> None:
    """Only the long tests, of many rows, have Spark compile its plans, as `make demo-check` does."""
    if config.option.markexpr != "soak":
        options = " ".join(f"-D{key}={value}" for key, value in INTERPRETED.items())
        os.environ["JDK_JAVA_OPTIONS"] = f"{os.environ['JDK_JAVA_OPTIONS']} {options}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long modules first, so that no process waits for the last one."""
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data for tests, where this checkout has it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real data is absent: {folder}")
    return folder


@pytest.fixture(scope="session")
def spark() -> Iterator["SparkSession"]:  # type: ignore[name-defined]  # noqa: F821
    from clicksmith.lakehouse.session import open_session

    overrides = [
        "spark.master=local[2]",
        "spark.shuffle_partitions=2",
        "spark.driver_memory=2g",
    ]
    session = open_session(load_config(None, overrides))
    yield session
    session.stop()


@pytest.fixture(scope="module")
def compiled(spark: "SparkSession") -> Iterator[None]:  # type: ignore[name-defined]  # noqa: F821
    """For a module whose rows are many after all."""
    before = {key: spark.conf.get(key) for key in INTERPRETED}
    for key, value in zip(INTERPRETED, ("true", "FALLBACK"), strict=True):
        spark.conf.set(key, value)
    yield
    for key, value in before.items():
        spark.conf.set(key, value)


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    import ray

    from clicksmith.training.engine.cluster import connect

    connect(load_config(None, ["ray.num_cpus=2"]).ray)
    yield
    ray.shutdown()


@pytest.fixture
def make_config(tmp_path: Path) -> Callable[..., Config]:
    """Build a configuration on a lake of the test's own: ``make_config("cleaning.x=1")``."""

    def build(*overrides: str, conf: str | None = None) -> Config:
        own = [f"lake.root={tmp_path / 'lake'}", "spark.master=local[2]", "spark.shuffle_partitions=2"]
        return load_config(conf, [*own, *overrides])

    return build


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))
