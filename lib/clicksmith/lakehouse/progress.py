"""Showing how far Spark is with what may take minutes."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pyspark import StatusTracker
from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)

BEAT_SECONDS = 20.0


@contextmanager
def telling(spark: SparkSession, what: str) -> Iterator[None]:
    """While the block runs, log every `BEAT_SECONDS` how many tasks of the running stages are done."""
    ended = threading.Event()
    tracker = spark.sparkContext.statusTracker()
    thread = threading.Thread(target=_tell, args=(tracker, what, ended, BEAT_SECONDS), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _tell(tracker: StatusTracker, what: str, ended: threading.Event, seconds: float) -> None:
    started = time.monotonic()
    while not ended.wait(seconds):
        with suppress(Exception):  # an engine that ends meanwhile is told by the block itself
            stages = [stage for stage in map(tracker.getStageInfo, tracker.getActiveStageIds()) if stage]
            done, total = sum(s.numCompletedTasks for s in stages), sum(s.numTasks for s in stages)
            where = f"{done} of {total} tasks of this stage are done" if stages else "planning"
            logger.info("%s: %s, after %.0f s", what, where, time.monotonic() - started)
