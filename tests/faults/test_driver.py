"""The driver killed before and after commits of the data jobs: run again, every table is the same."""

import os
import subprocess
import sys
from itertools import cycle
from pathlib import Path

import pytest

from faults import clicks

pytestmark = [pytest.mark.slow, pytest.mark.spark]

DRIVER = Path(__file__).with_name("driver.py")
ROOT = DRIVER.parents[2]
KILL_AT = 2
"""Commits of a run before the one that it is killed at. With 0 every commit is met, before and after, in
half an hour."""


def drive(number: int, moment: str, settings: list[str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(DRIVER), str(number), moment, *settings]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "lib")}
    return subprocess.run(
        command, env=environment, stderr=subprocess.PIPE, text=True, timeout=900, check=False
    )


def test_killed_again_and_again(tmp_path: Path):
    """One lake, killed before the third commit of a run, then after the third of the next, and so on.

    Of five commits in a row one is prevented and done by the next run, and one is cut off from what follows;
    each run has to find what is there and go on: more kills would show the same, at a dozen seconds each.
    """
    clicks.write_clicks(tmp_path / "in", 600, num_files=2)
    whole = clicks.settings(tmp_path / "whole", tmp_path / "in", incremental=True)
    finished = drive(-1, "never", whole)
    assert finished.returncode == 0, finished.stderr[-4000:]
    num_commits = int(finished.stderr.split(" commits")[0].rsplit("\n", 1)[-1])
    killed = clicks.settings(tmp_path / "killed", tmp_path / "in", incremental=True)
    kills = 0
    for moment in cycle(("before", "after")):
        done = drive(KILL_AT, moment, killed)
        if done.returncode == 0:
            break
        assert done.returncode == -9, done.stderr[-4000:]
        kills += 1
    assert kills >= 2 * num_commits // (2 * KILL_AT + 1)
    for table in clicks.TABLES:
        assert clicks.rows(tmp_path / "killed", table) == clicks.rows(tmp_path / "whole", table), table.name
