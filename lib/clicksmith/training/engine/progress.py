"""Showing in the driver how far remote workers are: rank 0 writes a small file, the driver reads it."""

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from clicksmith.errors import LakeError
from clicksmith.lakehouse import storage

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.25


def describe(name: str, num_steps: int, figures: Mapping[str, float]) -> str:
    """One line on a checkpoint, e.g. ``gan: step 200 of 600, critic_loss 0.412``."""
    shown = [f"{key} {value:.4g}" for key, value in figures.items() if key != "step"]
    return ", ".join([f"{name}: step {figures['step']:.0f} of {num_steps}", *shown])


class Told:
    """The file beside a run's folder in which a group of workers tells how far it is.

    Attributes:
        seconds: that each training which has ended took.
        lines: to log, all so far.
    """

    def __init__(self, folder: str, attempt: str) -> None:
        """`attempt` tells what these workers write from what others did at an earlier start."""
        self._uri = f"{folder}.progress.json"
        self._attempt = attempt
        self.seconds: list[float] = []
        self.lines: list[str] = []

    def read(self) -> bool:
        """Take over what was last written; whether there is something."""
        try:
            found = storage.read_json(self._uri) if storage.exists(self._uri) else None
        except (LakeError, ValueError):
            return False
        if found is None or found.get("attempt") != self._attempt:
            return False
        self.seconds, self.lines = found["seconds"], found["lines"]
        return True

    def write(self) -> None:
        """Called by one worker."""
        content = {"attempt": self._attempt, "seconds": self.seconds, "lines": self.lines}
        storage.write_json(self._uri, content)


@contextmanager
def watch(told: Told) -> Iterator[threading.Event]:
    """While the block runs, log the lines that workers tell as they come.

    Yields:
        An event that is set once the workers have started.
    """
    started, ended = threading.Event(), threading.Event()
    thread = threading.Thread(target=_follow, args=(told, started, ended), daemon=True)
    thread.start()
    try:
        yield started
    finally:
        ended.set()
        thread.join()


def _follow(told: Told, started: threading.Event, ended: threading.Event) -> None:
    num_logged = 0
    last = False
    while not last:
        last = ended.wait(POLL_SECONDS)  # after the end, look once more
        if not told.read():
            continue
        started.set()
        for line in told.lines[num_logged:]:
            logger.info("%s", line)
        num_logged = len(told.lines)
