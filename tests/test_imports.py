"""Spark machines need neither torch nor Ray; Ray workers need no Spark."""

import importlib
import pkgutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
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


def test_jobs_import_nothing_heavy_at_the_top() -> None:
    """A wrong `--set`, or a log that is not there, is told at once, without Spark or Ray being started."""
    jobs = LIBRARY.parent / "jobs"
    wrong = {"init_conf": (["/nowhere"], "matches no file")}
    others = (["--set", "laek.root=x"], "did you mean 'lake'?")

    def call(job: Path) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, str(job), *wrong.get(job.stem, others)[0]]
        environment = {"PYTHONPATH": str(LIBRARY), "PATH": "/usr/bin:/bin"}
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    with ThreadPoolExecutor(4) as pool:
        for done in pool.map(call, sorted(jobs.glob("*.py"))):
            assert done.returncode == 2, f"{done.args[1]}: {done.stderr[-1000:]}"
            assert wrong.get(Path(done.args[1]).stem, others)[1] in done.stderr
            assert "Traceback" not in done.stderr
