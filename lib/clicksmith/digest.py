"""A short name for any value: equal values have equal ones, in every process and release."""

import hashlib
import json
from typing import Any

from pydantic import BaseModel


def digest(value: Any) -> str:
    """32 hex digits of a JSON-serialisable value, pydantic models included."""
    text = json.dumps(value, sort_keys=True, default=plain)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def plain(value: Any) -> Any:
    """What JSON lacks as what it has: a pydantic model by its fields, anything else by its text."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return str(value)
