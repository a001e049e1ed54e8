"""What `make` uses to find Python and Java passes over those that do not fit."""

import os
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from clicksmith.config import load_config
from clicksmith.lakehouse.session import shared_classes

ROOT = Path(__file__).resolve().parents[2]

OLD_JAVA = """
case "$*" in
*-version*) echo "    java.home = $HOME_OF_FAKE"; echo "    java.specification.version = 11" ;;
esac
"""
TRIMMED_JAVA = """
case "$*" in
*-version*) echo "    java.home = $HOME_OF_FAKE"; echo "    java.specification.version = 17" ;;
--list-modules) echo "java.base@17" ;;
esac
"""


def fake(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}")
    path.chmod(0o755)
    return path


def run(script: str, **environment: str) -> str:
    done = subprocess.run(
        ["bash", str(ROOT / "deploy" / "setup" / script)],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("body", [OLD_JAVA, TRIMMED_JAVA], ids=["old", "trimmed"])
def test_unfit_java_is_passed_over(tmp_path: Path, body: str) -> None:
    fake(tmp_path / "bin" / "java", body)
    home = Path(run("java.sh", JAVA_HOME=str(tmp_path), HOME_OF_FAKE=str(tmp_path)))
    assert home != tmp_path
    modules = subprocess.run(
        [home / "bin" / "java", "--list-modules"], capture_output=True, text=True, check=True
    )
    assert "jdk.incubator.vector" in modules.stdout


def test_fit_java_home_is_kept(tmp_path: Path) -> None:
    body = TRIMMED_JAVA.replace("java.base@17", "jdk.incubator.vector@17")
    fake(tmp_path / "bin" / "java", body)
    assert run("java.sh", JAVA_HOME=str(tmp_path), HOME_OF_FAKE=str(tmp_path)) == str(tmp_path)


def test_unfit_python_is_passed_over(tmp_path: Path) -> None:
    unfit = fake(tmp_path / "python3.12", "exit 1\n")
    path = f"{tmp_path}{os.pathsep}{Path(sys.base_prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"
    found = run("python.sh", PATH=path)
    assert found != str(unfit)
    version = subprocess.run(
        [found, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, check=True
    )
    assert version.stdout.split() in (["3", "11"], ["3", "12"])


def test_the_archive_may_lie_in_a_folder_of_any_name() -> None:
    archive = Path("/home/me/my projects: {new}/spark.jsa")
    setting = runpy.run_path(str(ROOT / "deploy" / "setup" / "share_classes.py"))["leave"](archive)
    options = load_config(None, [setting]).spark.extra["spark.driver.defaultJavaOptions"]
    assert f"-XX:ArchiveClassesAtExit={archive}" in shlex.split(options)


@pytest.mark.spark
def test_a_driver_maps_the_archive_of_classes(spark: SparkSession) -> None:
    maps = Path("/proc", str(spark.sparkContext._gateway.proc.pid), "maps")  # type: ignore[union-attr]
    if not maps.exists() or not shared_classes().exists():
        pytest.skip("needs Linux, and the archive that `make setup` leaves")
    assert str(shared_classes()) in maps.read_text()
