"""Showing in the driver how far remote workers are: rank 0 writes a small file, the driver reads it."""

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from clicksmith.errors import LakeError
from clicksmith.lakehouse import storage

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0


def describe(name: str, num_steps: int, figures: Mapping[str, float]) -> str:
    """One line on a checkpoint, e.g. ``gan: step 200 of 600, critic_loss 0.412``."""
    shown = [f"{key} {value:.4g}" for key, value in figures.items() if key != "step"]
    return ", ".join([f"{name}: step {figures['step']:.0f} of {num_steps}", *shown])


@contextmanager
def watch(name: str, uri: str, attempt: str) -> Iterator[threading.Event]:
    """While the block runs, log the progress file's figures whenever they change.

    Args:
        name: for people.
        uri: of the file.
        attempt: what the file says once these workers write it, not those of an earlier start.

    Yields:
        An event that is set once the workers have started.
    """
    started, ended = threading.Event(), threading.Event()
    thread = threading.Thread(target=_follow, args=(name, uri, attempt, started, ended), daemon=True)
    thread.start()
    try:
        yield started
    finally:
        ended.set()
        thread.join()


def _follow(name: str, uri: str, attempt: str, started: threading.Event, ended: threading.Event) -> None:
    seen = None
    last = False
    while not last:
        last = ended.wait(POLL_SECONDS)  # after the end, look once more
        try:
            found = storage.read_json(uri) if storage.exists(uri) else None
        except (LakeError, ValueError):
            continue
        if found is None or found == seen or found.get("attempt") != attempt:
            continue
        seen = found
        started.set()
        if "figures" in found:
            logger.info("%s", describe(name, found["num_steps"], found["figures"]))
