"""A real Ray cluster of two nodes on this machine, drivers in processes of their own, and ways to kill."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
from ray.cluster_utils import Cluster

ROOT = Path(__file__).resolve().parents[2]
STORE_BYTES = 100 * 1024**2
NODE = {"num_cpus": 1, "object_store_memory": STORE_BYTES, "include_dashboard": False}


@contextmanager
def two_nodes() -> Iterator[Cluster]:
    """Two nodes of one CPU each: a worker needs one, so that two workers never share a node."""
    previous = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(ROOT / "lib")  # raylets hand it on to their workers
    os.environ["RAY_AUTH_MODE"] = "disabled"
    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    try:
        cluster.add_node(**NODE)
        yield cluster
    finally:
        cluster.shutdown()
        if previous is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = previous


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
    extra: dict[str, str] | None = None,
) -> tuple[int, str]:
    """Run train_generator; returns its exit status and log. `on_line` sees the lines as they come."""
    process = subprocess.Popen(
        command(address, overrides),
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "lib"), **(extra or {})},
    )
    timer = threading.Timer(180, process.kill)
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


def raylets() -> list[psutil.Process]:
    """The raylets that this process has started, oldest first."""
    children = psutil.Process().children(recursive=True)
    found = [child for child in children if child.is_running() and child.name() == "raylet"]
    return sorted(found, key=lambda process: process.create_time())


def workers_of(raylet: psutil.Process) -> list[psutil.Process]:
    """The training workers on a node."""
    return [child for child in raylet.children(recursive=True) if "RayTrainWorker" in " ".join(_words(child))]


def step_in(line: str) -> int:
    """The step that a line of progress tells of, 0 in other lines."""
    found = re.search(r": step (\d+) of ", line)
    return int(found.group(1)) if found else 0


def kill(process: psutil.Process) -> None:
    """kill -9."""
    os.kill(process.pid, signal.SIGKILL)


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Raise unless the condition comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(0.1)


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
