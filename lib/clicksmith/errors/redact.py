"""Secrets out of what is printed, logged or reported."""

import os
import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"

# Parts of the names of settings and variables. Of counts, such as max_text_tokens, it matches none.
_NAME = (
    r"secret|password|passwd|passphrase|credential(?!s?[._-]?provider)|token(?!s|i[sz]|[._-]?provider)"
    r"|signature|\bsas\b|(?:access|account|api|private|shared|encryption|storage)[._-]?key|connection[._-]?string"
)
_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)
_IN_TEXT = (
    # name=value, name: value and "name": "value"; the name may go on after the word, as Azure's keys do, and
    # what stands before it is not looked at: it would be at each letter of a long word, to the word's end
    re.compile(rf"(?i)((?:{_NAME})[\w.-]*+[\"']?\s*[=:]\s*[\"']?)(?:Bearer\s+)?[^\s\"',;&)}}\]]+"),
    re.compile(r"(?i)([?&;](?:sig|x-amz-signature|x-goog-signature)=)[^\s&\"']+"),  # of signed addresses
    re.compile(r"(\w://[^\s/:@]*:)[^\s/@]+(?=@)"),  # user:password@host
)
_SHORTEST = 6  # a shorter value, such as "true", would be hidden wherever the word stands


def is_secret(name: str) -> bool:
    """Whether a setting or variable of this name holds a secret."""
    return _SECRET_NAME.search(name) is not None


def redact(value: Any) -> Any:
    """The same value without secrets.

    Args:
        value: anything that JSON knows. In mappings, text below a key that names a secret is hidden; in all
            other text the secrets that `redact_text` finds are.
    """
    if isinstance(value, Mapping):
        return {key: _hide(item) if is_secret(str(key)) else redact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(redact(item) for item in value)
    return redact_text(value) if isinstance(value, str) else value


def redact_text(text: str, secrets: frozenset[str] = frozenset()) -> str:
    """The same text without secrets.

    Hidden are `secrets`, the values of this process's variables whose names say that they hold one, what
    follows a name of that kind, passwords in addresses, and signatures of signed ones.
    """
    known = secrets | {item for name, item in os.environ.items() if is_secret(name)}
    for secret in sorted(known, key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, HIDDEN)
    for pattern in _IN_TEXT:
        text = pattern.sub(rf"\1{HIDDEN}", text)
    return text


def secrets_in(value: Any, inside: bool = False) -> frozenset[str]:
    """The values that `redact` hides for their keys, to look for them in text."""
    if isinstance(value, Mapping):
        items = [(item, inside or is_secret(str(key))) for key, item in value.items()]
    elif isinstance(value, list | tuple):
        items = [(item, inside) for item in value]
    else:
        return frozenset({value}) if inside and isinstance(value, str) else frozenset()
    return frozenset().union(*(secrets_in(item, hidden) for item, hidden in items))


def _hide(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _hide(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_hide(item) for item in value)
    return HIDDEN if isinstance(value, str) and value else value
