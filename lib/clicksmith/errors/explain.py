"""Any engine's error as one of ours: what was being done, the root cause's own words, the remedy."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

from clicksmith.errors import ClicksmithError, LakeError, SourceError
from clicksmith.errors.causes import Cause, chain, own_error, root
from clicksmith.errors.remedies import REMEDIES

_ENGINES = ("pyspark", "py4j", "ray", "pyarrow", "deltalake", "_internal", "torch", "polars")
"""Top modules of exceptions that are no bugs of ours; delta-rs's are of `_internal`."""

_FILE = re.compile(
    r"(?:reading file|does not exist:|File|directory:|file) '?((?:\w+:)?/[^\s'\"]*[^\s'\".,:;])"
)
_PATH = re.compile(r"((?:\w+:)?/[^\s'\"]*\.[a-z0-9]+)(?= is not|$|[.,]?\s)")


@dataclass(frozen=True)
class Work:
    """What is being done, for whoever has to explain why it failed.

    Attributes:
        what: such as "Writing gold.items".
        raises: the kind of error that it ends in.
        remedy: where the cause is of no kind that is known.
        tables: where the lake's tables lie, and their names.
        settings: values of settings, to name beside the advice to change one.
    """

    what: str = "The job"
    raises: type[ClicksmithError] = LakeError
    remedy: str = ""
    tables: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)


_work: ContextVar[Work] = ContextVar("work", default=Work())  # noqa: B039  # frozen


@contextmanager
def doing(
    what: str,
    raises: type[ClicksmithError] = LakeError,
    remedy: str = "",
    tables: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """Explain what fails inside; tables and settings that are known outside are known inside.

    Args:
        what: is being done, such as "Writing gold.items".
        raises: the kind of error that it ends in.
        remedy: where the cause is of no kind that is known.
        tables: names of tables by the address where they lie.
        settings: values of settings by name.

    Raises:
        ClicksmithError: in place of an engine's error, or of the system's; bugs pass.
    """
    outer = _work.get()
    work = Work(
        what, raises, remedy, {**outer.tables, **(tables or {})}, {**outer.settings, **(settings or {})}
    )
    token = _work.set(work)
    try:
        yield
    except Exception as error:
        explained = explain(error)
        if explained is None or explained is error:
            raise
        raise explained from error
    finally:
        _work.reset(token)


def explain(error: BaseException, what: str | None = None) -> ClicksmithError | None:
    """An engine's or the system's error as one of ours; None for any other, which is a bug.

    Args:
        error: any exception.
        what: was being done; None takes what the innermost `doing` says.
    """
    if not _is_foreign(error):
        return error if isinstance(error, ClicksmithError) else None
    ours = own_error(error)
    if ours is not None:
        return ours
    work = _work.get() if what is None else replace(_work.get(), what=what)
    causes = chain(error)
    for remedy in REMEDIES:
        cause = remedy.find(causes)
        if cause is None:
            continue
        if remedy.for_tables is None:
            return work.raises(_problem(work, cause), _with_values(remedy.words, work))
        cause, file = root(causes), _file(causes)
        table = None if file is None else _table(file, work)
        if table is not None:
            return LakeError(_problem(work, cause, file, table), remedy.for_tables)
        kind = SourceError if work.raises is LakeError and file is not None else work.raises
        return kind(_problem(work, cause, file), remedy.words)
    return work.raises(_problem(work, root(causes)), work.remedy)


def _is_foreign(error: BaseException) -> bool:
    if isinstance(error, OSError | MemoryError | ImportError):
        return True
    return any(kind.__module__.split(".")[0] in _ENGINES for kind in type(error).__mro__)


def _problem(work: Work, cause: Cause, file: str | None = None, table: str | None = None) -> str:
    told = str(cause).rstrip(". ")
    if file is not None and file not in told:
        told += f", in {file}"
    return f"{work.what} failed: {told}{'' if table is None else f' (a file of {table})'}."


def _with_values(words: str, work: Work) -> str:
    for name, value in work.settings.items():
        words = re.sub(rf"{re.escape(name)}(?![\w.])", f"{name} ({value})", words, count=1)
    return words


def _file(causes: list[Cause]) -> str | None:
    """The file that the causes name, the innermost one's first."""
    for pattern in (_FILE, _PATH):
        for cause in reversed(causes):
            found = pattern.findall(cause.words)
            if found:
                return _plain(found[-1])
    return None


def _table(file: str, work: Work) -> str | None:
    return next((name for uri, name in work.tables.items() if file.startswith(_plain(uri) + "/")), None)


def _plain(uri: str) -> str:
    """A local file's path without ``file:``, and its name as it is on the disk."""
    local = re.sub(r"^file:/+", "/", uri)
    return unquote(local) if local != uri else uri
