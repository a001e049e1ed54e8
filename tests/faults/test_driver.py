"""The driver killed before and after each commit of the data jobs: run again, every table is the same."""

import subprocess
import sys
from pathlib import Path

import pytest

from faults import clicks

pytestmark = [pytest.mark.slow, pytest.mark.spark]

DRIVER = Path(__file__).with_name("driver.py")
ROOT = DRIVER.parents[2]


def drive(number: int, moment: str, settings: list[str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(DRIVER), str(number), moment, *settings]
    environment = {**__import__("os").environ, "PYTHONPATH": str(ROOT / "lib")}
    return subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, timeout=300)


def test_killed_before_and_after_each_commit(tmp_path: Path):
    """One lake is killed at its first commit, run again until its next, and so on to the end."""
    clicks.write_clicks(tmp_path / "in", 600, num_files=2)
    whole = clicks.settings(tmp_path / "whole", tmp_path / "in", incremental=True)
    finished = drive(-1, "never", whole)
    assert finished.returncode == 0, finished.stderr[-4000:]
    num_commits = int(finished.stderr.split(" commits")[0].rsplit("\n", 1)[-1])
    killed = clicks.settings(tmp_path / "killed", tmp_path / "in", incremental=True)
    kills = 0
    while True:
        # The first commit that this run has to make: the one before it is there already.
        done = drive(0, "before" if kills % 2 == 0 else "after", killed)
        if done.returncode == 0:
            break
        assert done.returncode == -9, done.stderr[-4000:]
        kills += 1
    assert kills == 2 * num_commits, "each commit was prevented once and cut off once"
    for table in clicks.TABLES:
        assert clicks.rows(tmp_path / "killed", table) == clicks.rows(tmp_path / "whole", table), table.name
