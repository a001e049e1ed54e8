"""However a job ends, the terminal gets one line, and a file the whole trace."""

import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from clicksmith.config import Config
from clicksmith.errors import ContractError
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.commit import commit
from clicksmith.lakehouse.job import EXIT_BUG, EXIT_INTERRUPTED, EXIT_USER_ERROR, run_job
from clicksmith.lakehouse.lineage import trace
from clicksmith.tables import BRONZE_ITEMS, JOB_RUNS

SECRET = "wJalrXUtnFEMI"
TOY = BRONZE_ITEMS


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """`run_job` sets up the process's logging."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level


def end(
    run: Callable[[Config], None], tmp_path: Path, capfd: pytest.CaptureFixture[str], *overrides: str
) -> tuple[int, list[str], str]:
    """A job's exit code, the lines that its end left on the terminal, and the file that they name."""
    (tmp_path / "lake").mkdir(exist_ok=True)
    flags = [f"lake.root={tmp_path / 'lake'}", f"spark.extra={{spark.hadoop.fs.s3a.secret.key: {SECRET}}}"]
    code = run_job(run, "A job.", [f"--set={flag}" for flag in [*flags, *overrides]])
    lines = capfd.readouterr().err.splitlines()
    named = re.search(r"The whole trace: (\S+)", "\n".join(lines))
    assert SECRET not in "\n".join(lines)
    return code, lines, Path(named[1]).read_text() if named else ""


def test_a_bug(tmp_path: Path, capfd: pytest.CaptureFixture[str], lake: Lake) -> None:
    def run(config: Config) -> None:
        raise KeyError(f"no {SECRET}\nhere")

    code, (line,), content = end(run, tmp_path, capfd)
    assert code == EXIT_BUG
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ERROR"
    told = re.fullmatch(
        rf"{stamp} (\w{{8}}) clicksmith: test_job failed by a bug in it: KeyError: (.*)", line
    )
    assert told is not None and "*** here" not in told[2] and "no ***" in told[2]
    assert f"{tmp_path}/lake/_logs/clicksmith-" in line
    assert "Traceback" in content and "in run" in content and SECRET not in content
    (row,) = lake.open(JOB_RUNS).to_pyarrow_table().to_pylist()  # type: ignore[union-attr]
    assert row["run_uuid"].startswith(told[1]) and row["run_uuid"] in content
    assert row["outcome"] == "failed" and SECRET not in row["problem"]


def test_a_lake_that_is_not_there_gets_no_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def run(config: Config) -> None:
        raise KeyError("x")

    _, (line,), content = end(run, tmp_path, capfd, f"lake.root={tmp_path / 'none'}")
    assert "Traceback" in content and not (tmp_path / "none").exists()
    Path(line.rpartition(" ")[2]).unlink()  # in the system's temporary folder


def test_an_error_of_the_users_needs_no_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def run(config: Config) -> None:
        raise ContractError("x is wrong.", "Mend it.")

    code, (line,), content = end(run, tmp_path, capfd)
    assert (code, content) == (EXIT_USER_ERROR, "") and line.endswith("x is wrong. Mend it.")


def test_an_interruption(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def run(config: Config) -> None:
        raise KeyboardInterrupt

    code, (line,), _ = end(run, tmp_path, capfd)
    assert code == EXIT_INTERRUPTED and line.endswith("test_job was interrupted. Run it again to go on.")


def test_an_interruption_that_an_engine_makes_an_error_of(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def run(config: Config) -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise BrokenPipeError("Broken pipe")  # noqa: B904  # as they do

    code, (line,), _ = end(run, tmp_path, capfd)
    assert code == EXIT_INTERRUPTED and line.endswith("test_job was interrupted. Run it again to go on.")


def test_arrow_and_delta_rs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def arrow(config: Config) -> None:
        pa.parquet.read_table(bad)

    def delta(config: Config) -> None:
        write_deltalake(str(tmp_path / "t"), pa.table({"a": [1]}))
        write_deltalake(str(tmp_path / "t"), pa.table({"b": ["x"]}), mode="append")

    bad = tmp_path / "bad.parquet"
    bad.write_bytes(b"nothing of the kind")
    code, (line,), content = end(arrow, tmp_path, capfd)
    assert code == EXIT_USER_ERROR and "test_job failed: ArrowInvalid: Could not open Parquet" in line
    assert str(bad) in line and "Put it back whole" in line
    assert "Traceback" in content
    code, (line,), content = end(delta, tmp_path, capfd)
    assert code == EXIT_USER_ERROR and "test_job failed: SchemaMismatchError: " in line
    assert "Traceback" in content


@pytest.mark.spark
def test_spark_and_its_python_workers(spark, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def analysis(config: Config) -> None:
        spark.range(3).select("nothing").collect()

    def worker(config: Config) -> None:
        def fail(batches: object) -> object:
            raise ZeroDivisionError("on purpose")

        rows = spark.createDataFrame([("a",)], "item_id string")
        rows = rows.selectExpr(*[f"CAST(NULL AS STRING) AS {name}" for name in TOY.column_names])
        commit(rows.mapInArrow(fail, rows.schema), TOY, Lake.of(config), trace("toy", config, {}))

    code, (line,), content = end(analysis, tmp_path, capfd)
    assert code == EXIT_USER_ERROR and "`nothing` cannot be resolved" in line
    code, (line,), content = end(worker, tmp_path, capfd)
    assert code == EXIT_USER_ERROR
    assert f"Writing {TOY.name} failed: ZeroDivisionError: on purpose. The whole trace: " in line
    assert "org.apache.spark" in content and "Output of Spark's Java process" in content
