"""From a YAML file and ``--set`` arguments to a `Config`, with errors a person can act on."""

import argparse
import difflib
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from clicksmith.config.models import Config
from clicksmith.errors import ConfigError
from clicksmith.errors.redact import redact


def parse_arguments(argv: Sequence[str] | None, description: str | None) -> Config:
    """Parse a job's command line, ``[--conf FILE] [--set a.b=value ...]``.

    Args:
        argv: arguments without the program's name; None reads ``sys.argv``.
        description: the job's docstring, shown by ``--help``.

    Raises:
        ConfigError: a file or key or value is wrong.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--conf", metavar="FILE", help="a YAML file, such as conf/local.yaml")
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        dest="overrides",
        help="override one value, e.g. --set lake.root=/tmp/lake; may be repeated",
    )
    arguments = parser.parse_args(argv)
    return load_config(arguments.conf, arguments.overrides)


def load_config(path: str | Path | None = None, overrides: Sequence[str] = ()) -> Config:
    """Load a configuration.

    Args:
        path: a YAML file, or None for the defaults.
        overrides: ``a.b=value`` strings; values are YAML.

    Raises:
        ConfigError: naming the file or key, what was found, and the nearest right key.
    """
    values = _read_yaml(Path(path)) if path else {}
    for override in overrides:
        _apply_override(values, override)
    origin = str(path) if path else "the defaults"
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(error, origin)) from None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"Cannot read the configuration {path}: {error}.", "Name a YAML file with --conf."
        ) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}.") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds a {type(values).__name__}; a mapping of sections was expected.")
    return values


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {override!r} is not of the form a.b=value.")
    *parents, last = key.strip().split(".")
    node = values
    for parent in parents:
        child = node.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"--set {override!r}: {parent!r} is a value, not a section.")
        node = child
    try:
        node[last] = yaml.safe_load(text)
    except yaml.YAMLError:
        node[last] = text


def _explain(error: ValidationError, origin: str) -> str:
    lines = []
    for problem in error.errors():
        path = tuple(part for part in problem["loc"])
        where = ".".join(str(part) for part in path)
        if problem["type"] == "extra_forbidden":
            known = _known_keys(path[:-1])
            near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}."
            lines.append(f"{where}: unknown key; {hint}")
        elif problem["type"] == "union_tag_not_found":
            key = problem["ctx"]["discriminator"].strip("'")
            lines.append(f"{where}.{key}: missing; it says which kind of {where} the other keys belong to")
        else:
            lines.append(_told(where, problem))
    return f"The configuration from {origin} is wrong:\n  " + "\n  ".join(lines)


def _told(where: str, problem: ErrorDetails) -> str:
    """The key, what is wrong, and what was found; no whole section, of which the message names the keys."""
    message = problem["msg"].removeprefix("Value error, ")
    if not where:
        return message
    found = problem.get("input")
    if problem["type"] in ("value_error", "missing") and isinstance(found, Mapping | BaseModel):
        return f"{where}: {message}"
    return f"{where}: {message} (found {redact({where: found})[where]!r})"


def _known_keys(path: tuple[Any, ...]) -> list[str]:
    """The field names of the section at `path`, in which pydantic also names a union's member."""
    models: list[type[BaseModel]] = [Config]
    for part in map(str, path):
        field = models[0].model_fields.get(part)
        if field is not None:
            models = _models_in(field.annotation) or models
        else:  # a key of a dict of sections, or the tag of a union's member
            tagged = [
                m for m in models if "name" in m.model_fields and m.model_fields["name"].default == part
            ]
            models = tagged or models
    return list(models[0].model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType, Annotated, dict):
        return [model for argument in get_args(annotation) for model in _models_in(argument)]
    return []
