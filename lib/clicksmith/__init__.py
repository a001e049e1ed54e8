"""clicksmith: sample augmentation for e-commerce search and recommendation."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clicksmith.standalone.generator import Generator
    from clicksmith.standalone.report import Report, evaluate

__version__ = "0.1.0"
__all__ = ["Generator", "Report", "__version__", "evaluate"]

_FACE = {
    "Generator": "clicksmith.standalone.generator",
    "Report": "clicksmith.standalone.report",
    "evaluate": "clicksmith.standalone.report",
}


def __getattr__(name: str) -> Any:
    """Import what a person with a table needs when it is asked for: torch and pandas take seconds."""
    if name not in _FACE:
        raise AttributeError(f"module 'clicksmith' has no attribute {name!r}")
    return getattr(import_module(_FACE[name]), name)
