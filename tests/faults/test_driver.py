"""The driver's end before and after commits of the data jobs: run again, every table is the same.

An error that nothing catches ends the run, in the tests' own session, at every commit; kill -9 ends
processes, at every third.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import pytest

from faults import clicks, driver

pytestmark = [pytest.mark.soak, pytest.mark.spark]

ROOT = Path(__file__).resolve().parents[2]
KILL_AT = 2
"""Commits of a run before the one that it is ended at; with 0 every commit is met."""

Drive = Callable[[int, str, list[str]], int | None]
"""Run the jobs as `driver.run`; None where the run was ended."""


def drive_process(number: int, moment: str, settings: list[str]) -> int | None:
    command = [sys.executable, driver.__file__, str(number), moment, *settings]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "lib")}
    done = subprocess.run(
        command, env=environment, stderr=subprocess.PIPE, text=True, timeout=900, check=False
    )
    if done.returncode == -9:
        return None
    assert done.returncode == 0, done.stderr[-4000:]
    return int(done.stderr.split(" commits")[0].rsplit("\n", 1)[-1])


class Ended(BaseException):
    pass


def drive_here(number: int, moment: str, settings: list[str]) -> int | None:
    def end() -> None:
        raise Ended

    try:
        return driver.run(number, moment, settings, end)
    except Ended:
        return None


def end_again_and_again(tmp_path: Path, drive: Drive, kill_at: int) -> None:
    """One lake, ended before the n-th commit of a run, then after the n-th of the next, and so on.

    Each run has to find what is there and go on.
    """
    clicks.write_clicks(tmp_path / "in", 600, num_files=2)
    whole = clicks.settings(tmp_path / "whole", tmp_path / "in", incremental=True)
    num_commits = drive(-1, "never", whole)
    assert num_commits is not None
    killed = clicks.settings(tmp_path / "killed", tmp_path / "in", incremental=True)
    kills = 0
    for moment in cycle(("before", "after")):
        if drive(kill_at, moment, killed) is not None:
            break
        kills += 1
    assert kills >= 2 * num_commits // (2 * kill_at + 1)
    for table in clicks.TABLES:
        assert clicks.rows(tmp_path / "killed", table) == clicks.rows(tmp_path / "whole", table), table.name


def test_ended_at_every_commit(spark, tmp_path: Path):
    end_again_and_again(tmp_path, drive_here, 0)


def test_killed_again_and_again(tmp_path: Path):
    end_again_and_again(tmp_path, drive_process, KILL_AT)
