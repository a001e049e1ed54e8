"""A real Ray cluster of two nodes on this machine, drivers in processes of their own, and ways to kill."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
HANGS_AFTER = 900
"""Seconds: a run undisturbed takes one minute, one that is killed three times four on a busy machine."""
# Raylets hand their environment on to the workers.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "lib"), "RAY_AUTH_MODE": "disabled"}


class TwoNodes:
    """Two nodes of one CPU each: a worker needs one, so that two workers never share a node."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("serve.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )
        self.address = self._wait_for("address ")

    def replace_second(self) -> None:
        """Kill the second node with all that runs on it, and start another."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._wait_for("replaced")

    def workers(self) -> list[list[psutil.Process]]:
        """The training workers on each node, oldest node first."""
        children = psutil.Process(self._process.pid).children(recursive=True)
        raylets = [child for child in children if child.name() == "raylet" and child.status() != "zombie"]
        return [_workers_of(raylet) for raylet in sorted(raylets, key=lambda raylet: raylet.create_time())]

    def stop(self) -> None:
        """End the cluster."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)

    def _wait_for(self, start: str) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(start):
                return line.removeprefix(start).strip()
        raise AssertionError(f"the cluster ended before it said {start!r}")


def command(address: str, overrides: Sequence[str]) -> list[str]:
    """The command line of train_generator on a cluster."""
    settings = [f"ray.address={address}", *overrides]
    return [
        sys.executable,
        str(ROOT / "jobs" / "train_generator.py"),
        *(f"--set={setting}" for setting in settings),
    ]


def run(
    address: str,
    overrides: Sequence[str],
    on_line: Callable[[str, subprocess.Popen[str]], None] = lambda line, process: None,
) -> tuple[int, str]:
    """Run train_generator; returns its exit status and log. `on_line` sees the lines as they come."""
    process = subprocess.Popen(
        command(address, overrides),
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    timer = threading.Timer(HANGS_AFTER, process.kill)
    timer.start()
    lines = []
    assert process.stderr is not None
    try:
        for line in process.stderr:
            lines.append(line)
            on_line(line, process)
        return process.wait(), "".join(lines)
    finally:
        timer.cancel()
        process.kill()


def step_in(line: str) -> int:
    """The step that a line of progress tells of, 0 in other lines."""
    found = re.search(r": step (\d+) of ", line)
    return int(found.group(1)) if found else 0


def kill(process: psutil.Process) -> None:
    """kill -9."""
    os.kill(process.pid, signal.SIGKILL)


def _workers_of(raylet: psutil.Process) -> list[psutil.Process]:
    return [child for child in raylet.children(recursive=True) if "RayTrainWorker" in " ".join(_words(child))]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
