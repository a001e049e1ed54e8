"""A generator's folder: weights.safetensors, codec.json, its parts, README.md and, last, card.json."""

from collections.abc import Mapping
from typing import Any

from clicksmith.config import generator_options
from clicksmith.errors import LakeError, NotFittedError
from clicksmith.generators.artefact import read_card, read_codec, read_weights, save_codec, write_model
from clicksmith.generators.presets import PRESETS
from clicksmith.standalone.fitting import Fitted
from clicksmith.standalone.groups import GroupsCodec
from clicksmith.standalone.rows import RowsCodec

_REMEDY = "Save the generator again."
_CODECS: Mapping[str, type[RowsCodec] | type[GroupsCodec]] = {
    codec.kind: codec for codec in (RowsCodec, GroupsCodec)
}


def save_folder(folder: str, fitted: Fitted) -> None:
    """Write a generator."""
    save_codec(folder, fitted.codec)
    write_model(folder, fitted.sampler, readme(fitted), fitted.card)


def load_folder(folder: str) -> Fitted:
    """The inverse of `save_folder`.

    Raises:
        NotFittedError: there is no complete generator.
        LakeError: a file is damaged.
    """
    card = read_card(folder)
    if card is None:
        raise NotFittedError(f"There is no complete generator in {folder}.", "Save one there first.")
    if "settings" not in card or "about" not in card:
        raise LakeError(
            f"{folder} holds a generator of a lake.", "Load it by clicksmith.generators.artefact.Generator."
        )
    settings = {name: value for name, value in card["settings"].items() if name != "preset"}
    options = generator_options(card["preset"], settings)
    codec = read_codec(folder, _read, _REMEDY)
    sampler = read_weights(folder, PRESETS[options.preset].sampler(codec.core), _REMEDY)
    sizes = card["num_rows"], card["num_held_out"]
    return Fitted(options, codec, sampler, *sizes, card["history"], card["metrics"], card)


def _read(value: Any, parts: Mapping[str, bytes]) -> RowsCodec | GroupsCodec:
    return _CODECS[value["kind"]].from_parts(value, parts)


def readme(fitted: Fitted) -> str:
    """The card for people, in Markdown."""
    card = fitted.card
    what = "groups of rows" if isinstance(fitted.codec, GroupsCodec) else "rows"
    settings = "\n".join(
        f"| {name} | {value} |"
        for name, value in sorted(card["settings"].items())
        if value is not None and name != "preset"
    )
    nats = ""
    if "held_out_nats" in card["metrics"]:
        metrics = card["metrics"]
        nats = (
            f" The weights are those of step {metrics['best_step']:,}: {metrics['held_out_nats']:.3f} nats a "
            f"row on rows that it never saw, {metrics['train_nats']:.3f} on rows that it did."
        )
    min_users = card["settings"]["min_users"]
    protected = (
        f"values of fewer than {min_users} users were not learnt"
        if min_users > 1
        else "any value may be learnt, those of a single row too: **do not publish personal ones**"
    )
    return f"""# A generator of a table

`{card["preset"]}`: {card["about"]}. It makes {what}.

## What it learnt from
{card["num_rows"]:,} {what}; {card["num_held_out"]:,} more were held out. Of them, {protected}.

## How it was trained
{card["metrics"]["steps"]:,} steps, {card["seconds"]:g} s, seed {card["seed"]}.{nats}

| setting | value |
|---|---|
{settings}

## What it makes
{fitted.codec.describe()}

## How to use it
```python
from clicksmith import Generator
rows = Generator.load(FOLDER).sample(1000, seed=1)
```
clicksmith {card["version"]}
"""
