"""From a YAML file and ``--set`` arguments to a `Config`, with errors a person can act on."""

import argparse
import difflib
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from clicksmith.config.generators import GeneratorConfig
from clicksmith.config.models import Config
from clicksmith.config.presets import PresetOptions
from clicksmith.config.section import Section
from clicksmith.errors import ConfigError
from clicksmith.errors.redact import redact

_MAPPINGS = (dict, Mapping)


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
        lines = _explain(error, Config)
        raise ConfigError(f"The configuration from {origin} is wrong:\n  " + "\n  ".join(lines)) from None


class _Single(Section):
    generator: GeneratorConfig


def generator_options(preset: str, options: Mapping[str, Any]) -> PresetOptions:
    """One generator's options, told in the words of a configuration where they are wrong.

    Raises:
        ConfigError: there is no such preset, or an option is unknown or wrong; it names the nearest.
    """
    try:
        return _Single.model_validate({"generator": {**options, "preset": preset}}).generator
    except ValidationError as error:
        lines = [line.removeprefix("generator.") for line in _explain(error, _Single)]
        raise ConfigError("The generator's options are wrong:\n  " + "\n  ".join(lines)) from None


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


def _explain(error: ValidationError, root: type[BaseModel]) -> list[str]:
    """A line for each wrong key of a value of the model `root`."""
    lines = []
    for problem in error.errors():
        path = tuple(str(part) for part in problem["loc"])
        written, _ = _walk(path, root)
        where = ".".join(written)
        if problem["type"] == "extra_forbidden":
            known = list(_walk(path[:-1], root)[1].model_fields)
            near = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}."
            lines.append(f"{where}: unknown key; {hint}")
        elif problem["type"] == "union_tag_not_found":
            key = problem["ctx"]["discriminator"].strip("'")
            lines.append(f"{where}.{key}: missing; it says which kind of {where} the other keys belong to")
        elif problem["type"] == "union_tag_invalid":
            key, found = problem["ctx"]["discriminator"].strip("'"), problem["ctx"]["tag"]
            known = problem["ctx"]["expected_tags"].replace("'", "").split(", ")
            near = difflib.get_close_matches(found, known, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}? " if near else ""
            lines.append(f"{where}.{key}: there is no {found!r}; {hint}It is one of {', '.join(known)}")
        else:
            lines.append(_told(where, problem))
    return lines


def _told(where: str, problem: ErrorDetails) -> str:
    """The key, what is wrong, and what was found; no whole section, of which the message names the keys."""
    message = problem["msg"].removeprefix("Value error, ")
    if not where:
        return message
    found = problem.get("input")
    if problem["type"] in ("value_error", "missing") and isinstance(found, Mapping | BaseModel):
        return f"{where}: {message}"
    return f"{where}: {message} (found {redact({where: found})[where]!r})"


def _walk(path: tuple[str, ...], root: type[BaseModel]) -> tuple[list[str], type[BaseModel]]:
    """A path as it is written, without the tags that pydantic puts in, and the section that it ends in."""
    model = root
    written: list[str] = []
    members: dict[str, type[BaseModel]] = {}  # of the union that the path has entered, by tag
    names = False  # whether the next part is a key of a mapping of sections
    for part in path:
        if not names and part in members:
            model, members = members[part], {}
            continue
        written.append(part)
        field = None if names or members else model.model_fields.get(part)
        names = False
        if field is not None:
            inside = _models_in(field.annotation)
            members = {tag: one for one in inside if (tag := _tag(one)) is not None}
            model = inside[0] if inside else model
            names = get_origin(field.annotation) in _MAPPINGS
    return written, model


def _tag(model: type[BaseModel]) -> str | None:
    """What a union tells this member by: the one value of its ``name`` or ``preset``."""
    for key in ("name", "preset"):
        field = model.model_fields.get(key)
        if field is not None and get_origin(field.annotation) is Literal:
            return str(get_args(field.annotation)[0])
    return None


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType, Annotated, tuple, *_MAPPINGS):
        return [model for argument in get_args(annotation) for model in _models_in(argument)]
    return []
