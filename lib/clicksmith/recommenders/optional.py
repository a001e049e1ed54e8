"""Packages that only some models need: one error where they are missing."""

import importlib
from typing import Any

from clicksmith.errors import TrainingError


def require(package: str, purpose: str, extra: str) -> Any:
    """Import a package.

    Args:
        package: its name, or that of a module in it.
        purpose: who needs it, as the start of a sentence.
        extra: of clicksmith, which installs it.

    Raises:
        TrainingError: it, or a package that it needs, is not installed.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise TrainingError(
            f"{purpose} the package {error.name}, which is not installed.",
            f"pip install 'clicksmith[{extra}]'",
        ) from None
