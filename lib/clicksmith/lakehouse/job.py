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
from clicksmith.errors.causes import exceptions
from clicksmith.errors.explain import explain
from clicksmith.errors.redact import redact_text, secrets_in
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.runs import record_run
from clicksmith.lakehouse.steps import outdated, read_by
from clicksmith.lakehouse.traces import keep_trace

EXIT_USER_ERROR = 2
EXIT_BUG = 70  # EX_SOFTWARE: no other program's 1, and no 2 that says "mend the input"
EXIT_INTERRUPTED = 130

_DATE = "%Y-%m-%d %H:%M:%S"


class _Formatter(logging.Formatter):
    """One line an event, without traces and secrets."""

    run = ""  # the id of its row in ops.job_runs, once it has one
    secrets: frozenset[str] = frozenset()
    root: str | None = None  # of the lake, once it is known: traces go there

    def format(self, record: logging.LogRecord) -> str:  # of the base class
        record.run = self.run[:8] or "-"
        return redact_text(super().format(record), self.secrets)

    def formatException(self, ei: object) -> str:  # of the base class
        return ""

    def formatStack(self, stack_info: str) -> str:
        return ""


def set_up_logging() -> _Formatter:
    """One line an event on stderr; rich on a terminal, plain elsewhere."""
    formatter = _Formatter("%(asctime)s %(levelname)s %(run)s %(name)s: %(message)s", _DATE)
    handler: logging.Handler = logging.StreamHandler()
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.logging import RichHandler

        handler = RichHandler(console=Console(stderr=True), show_path=False, log_time_format="%H:%M:%S")
        formatter = _Formatter("%(message)s")
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("clicksmith").setLevel(logging.INFO)
    # What Py4J says of a JVM that has ended, by the root's logger too, reaches us as an exception.
    handler.addFilter(lambda record: record.module not in ("java_gateway", "clientserver"))
    return formatter


def run_job(run: Callable[[Config], None], description: str | None, argv: Sequence[str] | None = None) -> int:
    """Run a job from the command line. Whatever fails is one line on the terminal.

    The whole trace of what another library raised, and of a bug, goes into a file that the line names.

    Args:
        run: the job's body.
        description: the job's docstring, for ``--help``.
        argv: arguments; None reads ``sys.argv``.

    Returns:
        The exit code: 0; 2 after an error that the user can mend; 70 after a bug; 130 if interrupted.
    """
    job = Path(run.__code__.co_filename).stem

    def recorded(formatter: _Formatter) -> None:
        config = parse_arguments(argv, description)
        formatter.root = Lake.of(config).root
        formatter.secrets = secrets_in(config.model_dump(mode="json"))
        with record_run(job, config) as formatter.run:
            _warn_of_outdated(config, job)
            run(config)

    return _run(job, recorded)


def _warn_of_outdated(config: Config, job: str) -> None:
    """A job takes what lies there: where other settings made it, whoever changed them has to know."""
    for what in outdated(config, Lake.of(config), read_by(config, job)):
        logging.getLogger("clicksmith").warning("%s", what)


def run_command(run: Callable[[], None], name: str) -> int:
    """Run what needs no lake and no configuration from the command line; ends as `run_job` does."""
    return _run(name, lambda _: run())


def _run(job: str, body: Callable[[_Formatter], None]) -> int:
    formatter = set_up_logging()
    logger, started = logging.getLogger("clicksmith"), time.monotonic()
    try:
        body(formatter)
    except (KeyboardInterrupt, Exception) as error:
        # An engine that is interrupted may end in an error of its own, such as a broken pipe.
        if any(isinstance(one, KeyboardInterrupt) for one in exceptions(error)):
            logger.error("%s was interrupted. Run it again to go on.", job)
            return EXIT_INTERRUPTED
        ours = explain(error, job)
        where = ""
        if ours is None or ours is not error or ours.__cause__ is not None:
            path = keep_trace(error, job, formatter.run, formatter.root, formatter.secrets)
            where = f" The whole trace: {path}" if path else " (No folder takes a file with the whole trace.)"
        if ours is None:
            told = f"{type(error).__name__}: {' '.join(str(error).split())}"[:400]
            logger.error("%s failed by a bug in it: %s.%s", job, told, where)
            return EXIT_BUG
        logger.error("%s%s", ours, where)
        return EXIT_USER_ERROR
    logger.info("finished in %.1f s", time.monotonic() - started)
    return 0
