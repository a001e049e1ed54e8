"""The one exception tree.

Every error states what was found, where, what was expected and the remedy. A job
turns a ``ClicksmithError`` into one line on stderr and exit code 2. What engines and
the system raise becomes one (`explain`); anything else is a bug, exit code 70. Traces
go into a file that the line names.
"""


class ClicksmithError(Exception):
    """Base of every error that a user can cause or mend.

    Args:
        problem: what was found, where, and what was expected.
        remedy: what to do about it.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem} {remedy}".strip())
        self.problem = problem
        self.remedy = remedy

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        # Errors cross process borders (Spark and Ray workers): keep both arguments.
        return type(self), (self.problem, self.remedy)


class ConfigError(ClicksmithError):
    """The configuration file or a ``--set`` argument is wrong."""


class SourceError(ClicksmithError):
    """A source cannot be obtained, verified, read or mapped to the contract."""


class ContractError(ClicksmithError):
    """Data breaks a table's contract: columns, types, or too many rejected rows."""


class LakeError(ClicksmithError):
    """A table is missing, unreadable, or changed under a pinned version."""


class NotFittedError(ClicksmithError):
    """A codec or model was used before it was fitted or loaded."""


class TrainingError(ClicksmithError):
    """Training cannot start or go on."""
