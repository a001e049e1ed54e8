"""A standalone Spark cluster on this machine for tests, and jobs on it. Imported by tests only."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def cluster(scratch: Path, num_workers: int = 2) -> Iterator[str]:
    """Its address, while it runs; `scratch` holds the executors' shuffle files."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Executors inherit the environment, and with it the library and the interpreter.
    environment = {
        **os.environ,
        "PYTHON": sys.executable,
        "SPARK_MASTER_PORT": str(port),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(scratch),
        "PYTHONPATH": str(ROOT / "lib"),
        "PYSPARK_PYTHON": sys.executable,
    }
    script = str(ROOT / "deploy" / "spark" / "standalone.sh")
    process = subprocess.Popen(
        ["bash", script, str(num_workers), "1500m"], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def start_job(job: str, settings: Sequence[str]) -> "subprocess.Popen[str]":
    """A job as a driver of its own; its log is its stderr."""
    flags = [part for setting in settings for part in ("--set", setting)]
    command = [sys.executable, str(ROOT / "jobs" / f"{job}.py"), *flags]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "lib"), "SPARK_LOCAL_IP": "127.0.0.1"}
    return subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )


def run_job(job: str, settings: Sequence[str]) -> str:
    """Run a job to its end; returns its log, and fails the test with it."""
    process = start_job(job, settings)
    log = process.communicate(timeout=900)[1]
    assert process.returncode == 0, log[-4000:]
    return log


def executors() -> list[psutil.Process]:
    """The executors that run on this machine's standalone clusters."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if "org.apache.spark.executor.CoarseGrainedExecutorBackend" in (process.info["cmdline"] or [])
    ]
