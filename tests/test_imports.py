"""Spark machines need neither torch nor Ray; Ray workers need no Spark."""

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import clicksmith

LIBRARY = Path(clicksmith.__file__).parents[1]
MODULES = sorted(module.name for module in pkgutil.walk_packages(clicksmith.__path__, "clicksmith."))

SPARK_ONLY = ("config", "tables", "lakehouse", "sources", "events", "features", "errors", "seeds")
RAY_ONLY = ("config", "tables", "encoding", "generators", "recommenders", "training", "errors", "seeds")
NO_ENGINE = ("config", "tables", "errors", "seeds")
RAY_ONLY_MODULES = (
    "clicksmith.lakehouse.catalog",
    "clicksmith.lakehouse.lineage",
    "clicksmith.lakehouse.storage",
)

BLOCKED_IMPORTS = """
import importlib, importlib.abc, importlib.util, sys

class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"{name} is blocked in this test")
        return None

sys.meta_path.insert(0, Block())
find_spec = importlib.util.find_spec  # a library may ask whether another is there: it is not
importlib.util.find_spec = lambda name, package=None: None if name in BLOCKED else find_spec(name, package)
for module in MODULES:
    importlib.import_module(module)
"""


WRONG_CALLS = """
import runpy, sys
from pathlib import Path

sys.path.insert(0, str(Path(JOBS[0]).parent))
for job in sorted(JOBS, key=lambda job: job.endswith("init_conf.py")):
    wrong = ["/nowhere"] if job.endswith("init_conf.py") else ["--set", "laek.root=x"]
    sys.argv = [job, *wrong]
    try:
        runpy.run_path(job, run_name="__main__")
    except SystemExit as end:
        assert end.code == 2, (job, end.code)
import pyspark, ray
assert pyspark.SparkContext._gateway is None and not ray.is_initialized()
"""


def modules_of(packages: tuple[str, ...]) -> list[str]:
    return [name for name in MODULES if name.split(".")[1] in packages]


def import_without(blocked: tuple[str, ...], modules: list[str]) -> None:
    assert modules
    script = f"BLOCKED = {blocked!r}\nMODULES = {modules!r}\n{BLOCKED_IMPORTS}"
    environment = {"PYTHONPATH": str(LIBRARY), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_spark_code_needs_neither_torch_nor_ray() -> None:
    import_without(("torch", "ray"), modules_of(SPARK_ONLY))


def test_ray_code_needs_no_spark() -> None:
    import_without(("pyspark", "delta", "py4j"), modules_of(RAY_ONLY) + list(RAY_ONLY_MODULES))


def test_models_and_codecs_need_neither_engine() -> None:
    import_without(
        ("pyspark", "delta", "py4j", "ray"), modules_of(("encoding", "generators", "recommenders"))
    )


def test_codecs_need_no_torch() -> None:
    import_without(("pyspark", "delta", "py4j", "ray", "torch"), modules_of(("encoding",)))


def test_contract_and_configuration_need_no_engine() -> None:
    import_without(("pyspark", "delta", "py4j", "ray", "torch", "polars", "sklearn"), modules_of(NO_ENGINE))


def test_the_block_blocks() -> None:
    with pytest.raises(AssertionError, match="pyarrow is blocked in this test"):
        import_without(("pyarrow",), ["clicksmith.tables"])


@pytest.mark.parametrize("name", MODULES)
def test_module_imports(name: str) -> None:
    assert importlib.import_module(name).__doc__


def test_jobs_tell_a_wrong_call_at_once() -> None:
    """A wrong `--set`, or a log that is not there, without Spark or Ray being started."""
    jobs = sorted(str(path) for path in (LIBRARY.parent / "jobs").glob("*.py"))
    assert len(jobs) > 10
    environment = {"PYTHONPATH": str(LIBRARY), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", f"JOBS = {jobs!r}\n{WRONG_CALLS}"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr.count("did you mean 'lake'?") == len(jobs) - 1, done.stderr
    assert done.stderr.count("matches no file") == 1, done.stderr
    assert "Traceback" not in done.stderr
