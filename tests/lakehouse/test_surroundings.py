"""Machines as they are: locales, interpreters, homes and users that Spark stumbles over."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyspark
import pytest

from clicksmith.errors import LakeError
from clicksmith.lakehouse import surroundings
from clicksmith.tables import BRONZE_EVENTS
from faults import clicks

ROOT = Path(__file__).resolve().parents[2]
NAMED = ("LC_ALL", "LANG", "LC_CTYPE", "PYSPARK_PYTHON", "SPARK_HOME", "HOME")


@pytest.fixture(autouse=True)
def surroundings_as_before() -> Iterator[None]:
    """What `prepare` changes."""
    before = {name: os.environ.get(name) for name in NAMED}
    yield
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


def python_that_says(folder: Path, answer: object) -> str:
    """An interpreter that answers so to what is asked of it."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        ([[3, 9], []], "is Python 3.9, not"),
        ([list(sys.version_info[:2]), ["pyarrow"]], "lacks pyarrow"),
        ("no answer", "does not run"),
    ],
)
def test_another_interpreter(answer: object, trouble: str, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    other = os.environ["PYSPARK_PYTHON"] = python_that_says(tmp_path, answer)
    surroundings.prepare(is_local=True)
    assert os.environ["PYSPARK_PYTHON"] == sys.executable
    assert f"PYSPARK_PYTHON is {other}, which {trouble}" in caplog.text


def test_an_interpreter_that_will_do_or_is_elsewhere_is_left(tmp_path: Path):
    good = os.environ["PYSPARK_PYTHON"] = python_that_says(tmp_path, [list(sys.version_info[:2]), []])
    surroundings.prepare(is_local=True)
    assert os.environ["PYSPARK_PYTHON"] == good
    os.environ["PYSPARK_PYTHON"] = "/on/the/cluster/python"
    surroundings.prepare(is_local=False)
    assert os.environ["PYSPARK_PYTHON"] == "/on/the/cluster/python"


def test_a_spark_home_of_nothing_and_of_another_version(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    os.environ["SPARK_HOME"] = str(tmp_path / "gone")
    surroundings.prepare(is_local=True)
    assert "SPARK_HOME" not in os.environ and f"SPARK_HOME is {tmp_path / 'gone'}" in caplog.text
    for name in ("bin/spark-submit", "jars/spark-core_2.12-3.5.1.jar"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    os.environ["SPARK_HOME"] = str(tmp_path)
    with pytest.raises(LakeError, match=rf"{tmp_path}, of Spark 3\.5\.1; .* pyspark {pyspark.__version__}"):
        surroundings.prepare(is_local=True)


@pytest.mark.parametrize("value", ["C", "POSIX", "xx_XX.UTF-8"])  # the last one no machine has
def test_a_locale_that_cannot_name_files(value: str):
    os.environ["LC_ALL"] = value
    surroundings.prepare(is_local=True)
    assert os.environ["LC_ALL"] == "C.UTF-8"


def test_a_locale_that_can_is_left():
    os.environ["LC_ALL"] = "C.utf8"
    surroundings.prepare(is_local=True)
    assert os.environ["LC_ALL"] == "C.utf8"


@pytest.mark.soak
@pytest.mark.spark
def test_a_job_amid_all_of_it(tmp_path: Path):
    """In the C locale a file is named in other letters; another Python, no Spark, a long TMPDIR, a proxy."""
    clicks.write_clicks(tmp_path / "in", 100)
    (file,) = (tmp_path / "in").iterdir()
    file.rename(tmp_path / "in" / f"щелчки-{file.name}")
    long = tmp_path / ("t" * 60)
    long.mkdir()
    environment = {
        **os.environ,
        "LC_ALL": "C",
        "SPARK_HOME": str(tmp_path / "gone"),
        "PYSPARK_PYTHON": python_that_says(tmp_path, [[3, 9], []]),
        "TMPDIR": str(long),
        "http_proxy": "http://127.0.0.1:9",
    }
    settings = [f"--set={setting}" for setting in clicks.settings(tmp_path / "lake", tmp_path / "in")]
    command = [sys.executable, str(ROOT / "jobs" / "ingest_events.py"), *settings]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert len(clicks.rows(tmp_path / "lake", BRONZE_EVENTS)) == 100
    assert all(line.startswith("20") for line in done.stderr.splitlines()), done.stderr  # lines of ours alone


@pytest.mark.slow
@pytest.mark.spark
def test_java_tells_its_own_reason(tmp_path: Path):
    """And no foreign trace reaches the terminal."""
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(
        "#!/bin/sh\necho 'Error occurred during initialization of boot layer' >&2\n"
        "echo 'java.lang.module.FindException: Module jdk.incubator.vector not found' >&2\nexit 1\n"
    )
    java.chmod(0o755)
    clicks.write_clicks(tmp_path / "in", 100)
    settings = [f"--set={setting}" for setting in clicks.settings(tmp_path / "lake", tmp_path / "in")]
    command = [sys.executable, str(ROOT / "jobs" / "ingest_events.py"), *settings]
    environment = {**os.environ, "JAVA_HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert "Starting Spark failed: " in line and "Module jdk.incubator.vector not found" in line
    assert "Spark needs a full Java 17 or 21" in line


@pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("setpriv") is None, reason="needs to become another user"
)
def test_a_user_without_an_entry():
    """As containers have them. It keeps the right to read, for this Python may lie in another's home."""
    become = ["setpriv", "--reuid=54321", "--clear-groups", "--inh-caps=+dac_override"]
    script = "from clicksmith.lakehouse.surroundings import prepare; prepare(is_local=True)"
    command = [*become, "--ambient-caps=+dac_override", sys.executable, "-c", script]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "lib")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert "LakeError: The user 54321 has no entry in /etc/passwd" in done.stderr, done.stderr
