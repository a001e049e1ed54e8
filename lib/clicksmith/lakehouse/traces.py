"""A file for the whole of an error that the terminal shows one line of."""

import os
import platform
import sys
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import clicksmith
from clicksmith.errors.causes import exceptions
from clicksmith.errors.redact import redact_text

_TAIL_BYTES = 1 << 20

_outputs: dict[str, BinaryIO] = {}


def note_output(name: str, file: BinaryIO) -> None:
    """What a process of ours writes beside the terminal, which traces shall end with."""
    _outputs[name] = file


def tail(name: str) -> str:
    """The end of what a process has written; "" where there is none."""
    file = _outputs.get(name)
    if file is None:
        return ""
    # Not by the file's own position, at which the process writes on.
    size = os.fstat(file.fileno()).st_size
    start = max(0, size - _TAIL_BYTES)
    return os.pread(file.fileno(), size - start, start).decode(errors="replace")


def keep_trace(
    error: BaseException, job: str, run: str, root: str | None, secrets: frozenset[str]
) -> Path | None:
    """Write an error's whole trace to a file.

    Args:
        error: with all that caused it.
        job: its name.
        run: the id of the run's row in ops.job_runs.
        root: of the lake. Its _logs folder keeps the file where it is there and local, otherwise the system's
            temporary folder does.
        secrets: values to hide.

    Returns:
        The file, or None where neither folder can be written to.
    """
    now = datetime.now(UTC)
    lines = [
        f"{now:%Y-%m-%d %H:%M:%S} UTC, {job}, run {run}, clicksmith {clicksmith.__version__}, "
        f"Python {platform.python_version()}, {platform.platform()}\n{' '.join(sys.argv)}\n\n",
        *traceback.format_exception(error),
        *(f"\nIn Java:\n{one._stackTrace}" for one in exceptions(error) if hasattr(one, "_stackTrace")),
        *(f"\n{name}:\n{tail(name)}" for name in _outputs),
    ]
    content = redact_text("".join(lines), secrets)
    folders = [Path(tempfile.gettempdir())]
    if root is not None and "://" not in root and Path(root).is_dir():
        folders.insert(0, Path(root, "_logs"))
    for folder in folders:
        try:
            folder.mkdir(exist_ok=True)
            path = folder / f"clicksmith-{now:%Y%m%d-%H%M%S}-{job}-{run[:8]}.log"
            path.write_text(content, encoding="utf-8", errors="replace")
            return path
        except OSError:  # e.g. the disk is full, which may be what there is to tell
            continue
    return None
