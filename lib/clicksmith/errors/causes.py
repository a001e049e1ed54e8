"""The chain of causes behind an exception of Spark's, Java's, Ray's, Arrow's, delta-rs's or Python's own.

Exceptions are looked at by their module's name and attributes, so no engine is imported. What a JVM
or another process says comes as text: Java prints its causes, a Python worker its traceback, into it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from clicksmith import errors
from clicksmith.errors import ClicksmithError

_TRACEBACK = "Traceback (most recent call last):"
_CHAINED = ("During handling of the above exception", "The above exception was the direct cause")
_FRAME = re.compile(r"^\s*(at [\w.$]+[\w.$<>/]*\(|\.\.\. \d+ more)")
_HEADER = re.compile(r"^\s*(JVM stacktrace:|Driver stacktrace:|An error occurred while calling )")
_CAUSED = re.compile(r"^\s*(Caused by: |Exception in thread \"[^\"]*\" |: (?=[\w.$]+))")
_LOST_TASK = re.compile(r"most recent failure: Lost task [^\n]*?\(TID \d+\) \([^)]*\): ")
_CLASS = re.compile(r"^(?:\w+[.$])*\w+(?=: |$)")
_SQLSTATE = re.compile(r"\s*SQLSTATE: \w{5};?.*$", re.DOTALL)  # a plan may follow
_OURS = re.compile(r"^(?:\[\w+\] )?clicksmith\.errors\.(\w+): (.*)", re.DOTALL)
_MUTE = ("SparkException", "RuntimeException", "Exception", "IOException", "AnalysisException", "DeltaError")
_RUST_FRAMES = re.compile(r"\n\s*(Stack backtrace:|\d+: (<unknown>|\w+::)).*", re.DOTALL)
_GONE = "no answer from Spark's Java process"
_LENGTH = 400


@dataclass(frozen=True)
class Cause:
    """One exception of a chain.

    Attributes:
        kind: its class, with packages; "" where none is told.
        words: its message, on one line.
    """

    kind: str
    words: str

    def __str__(self) -> str:
        """As it is told: in short, and without a class that says nothing."""
        kind = re.split(r"[.$]", self.kind)[-1]
        words = self.words if len(self.words) <= _LENGTH else f"{self.words[:_LENGTH]}..."
        if not words or not kind:
            return words or kind
        return words if kind in _MUTE or words.startswith("[") else f"{kind}: {words}"


class ProcessError(OSError):
    """A process of another program failed; its text is what that said, traces included."""


def chain(error: BaseException) -> list[Cause]:
    """The causes of an exception, outermost first; the root is last."""
    return [cause for one in exceptions(error) for cause in _causes(one)]


def root(causes: Iterable[Cause]) -> Cause:
    """The last cause that says something."""
    told = list(causes)
    return next((cause for cause in reversed(told) if cause.words), told[-1])


def exceptions(error: BaseException) -> list[BaseException]:
    """The exceptions that led to one another, outermost first."""
    found: dict[int, BaseException] = {}

    def visit(one: BaseException) -> None:
        if id(one) not in found:
            found[id(one)] = one
            for behind in _behind(one):
                visit(behind)

    visit(error)
    return list(found.values())


def own_error(error: BaseException) -> ClicksmithError | None:
    """The error of ours behind an exception, raised here or in a worker of Spark's or Ray's."""
    for one in exceptions(error):
        # What a task of Ray's raised comes as a child of it and of Ray's own class, and tells Ray's trace.
        if isinstance(one, ClicksmithError) and not type(one).__module__.startswith("ray."):
            return one
    for cause in chain(error):
        told = f"{cause.kind}: {cause.words}" if cause.kind.startswith("clicksmith.") else cause.words
        found = _OURS.match(told)
        kind = getattr(errors, found[1], None) if found else None
        if found and isinstance(kind, type) and issubclass(kind, ClicksmithError):
            return kind(found[2])
    return None


def _behind(error: BaseException) -> list[BaseException]:
    """What caused an exception: Ray's workers' failures, a task's, or what Python kept."""
    # One worker's failure ends the others' connections to it: theirs come first, so that the root is last.
    workers = [*(getattr(error, "worker_failures", None) or {}).values()]
    workers.sort(key=lambda one: "Connection closed by peer" not in str(one))
    context = None if error.__suppress_context__ else error.__context__
    single = (getattr(error, "controller_failure", None), getattr(error, "cause", None))
    behind = [*workers, *single, error.__cause__ or context]
    return [one for one in behind if isinstance(one, BaseException)]


def _causes(error: BaseException) -> list[Cause]:
    text = _text(error)
    is_java = isinstance(error, ProcessError) or type(error).__module__.startswith(("pyspark", "py4j"))
    if is_java or _TRACEBACK in text:
        found = _sections(text)
        if found:
            return found
    kind = type(error)
    return [Cause(f"{kind.__module__}.{kind.__qualname__}", " ".join(_RUST_FRAMES.sub("", text).split()))]


def _text(error: BaseException) -> str:
    """All that an exception says, with the trace of the JVM where it has one."""
    try:
        # PySpark's exceptions keep Java's trace; Py4J asks the JVM for it, which may be gone.
        return getattr(error, "_stackTrace", None) or str(error)
    except Exception:
        return _GONE


def _sections(text: str) -> list[Cause]:
    """The causes in a text that Java or a Python worker printed, outermost first."""
    text = _LOST_TASK.sub("\nCaused by: ", text).replace(_TRACEBACK, f"\n{_TRACEBACK}\n")
    found: list[Cause] = []
    lines: list[str] = []
    in_traceback = False

    def end() -> None:
        if any(line.strip() for line in lines):
            found.append(_cause(" ".join(line.strip() for line in lines)))
        lines.clear()

    for line in text.splitlines():
        if line.strip() == _TRACEBACK or line.startswith(_CHAINED):
            end()
            in_traceback = True
        elif _FRAME.match(line) or _HEADER.match(line):
            end()
            in_traceback = False
        elif in_traceback and (line.startswith((" ", "\t")) or not line.strip()):
            continue
        else:
            if _CAUSED.match(line):
                end()
            in_traceback = False
            lines.append(_CAUSED.sub("", line))
    end()
    return found


def _cause(text: str) -> Cause:
    text = _SQLSTATE.sub("", text.strip())
    named = _CLASS.match(text)
    if named is None or not ("." in named[0] or named[0].endswith(("Error", "Exception"))):
        return Cause("", text)
    return Cause(named[0], text[named.end() :].removeprefix(":").strip())
