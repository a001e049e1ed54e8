"""What every job's ``main`` does around its ``run``: arguments, logging, a row of ops.job_runs, exit code.

Needs no Spark: the row is written by delta-rs in every job, so that jobs without a JVM leave one too, and the
table has one kind of writer.
"""

import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from clicksmith.config.load import parse_arguments
from clicksmith.config.models import Config
from clicksmith.errors import ClicksmithError
from clicksmith.lakehouse.runs import record_run

EXIT_USER_ERROR = 2


def set_up_logging() -> None:
    """One line an event on stderr; rich on a terminal, plain elsewhere."""
    handler: logging.Handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S"))
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.logging import RichHandler

        handler = RichHandler(console=Console(stderr=True), show_path=False, log_time_format="%H:%M:%S")
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("clicksmith").setLevel(logging.INFO)


def run_job(run: Callable[[Config], None], description: str | None, argv: Sequence[str] | None = None) -> int:
    """Run a job from the command line.

    Args:
        run: the job's body.
        description: the job's docstring, for ``--help``.
        argv: arguments; None reads ``sys.argv``.

    Returns:
        The exit code: 0, or 2 after an error that the user can mend. Bugs propagate.
    """
    set_up_logging()
    logger = logging.getLogger("clicksmith")
    started = time.monotonic()
    try:
        config = parse_arguments(argv, description)
        with record_run(Path(run.__code__.co_filename).stem, config):
            run(config)
    except ClicksmithError as error:
        logger.error("%s", error)
        return EXIT_USER_ERROR
    logger.info("finished in %.1f s", time.monotonic() - started)
    return 0
