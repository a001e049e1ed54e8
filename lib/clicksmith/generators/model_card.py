"""A trained generator's card for people, in Markdown, after "Model Cards" of Mitchell et al. (2019).

What it is and is for, what it learnt from, how training went, what it makes, where it comes from.
"""

from collections.abc import Mapping
from typing import Any

from clicksmith.generators.kind import Codec, Kind
from clicksmith.generators.kinds import KINDS
from clicksmith.generators.preset import Preset
from clicksmith.generators.presets import PRESETS


def model_card(card: Mapping[str, Any], codec: Codec) -> str:
    """The text: the same for equal cards and codecs.

    Args:
        card: of `training.card.make_card`.
        codec: of its rows.
    """
    settings, preset = card["settings"].get("generator", {}), PRESETS[card["preset"]]
    kind = KINDS[preset.options.kind]
    parts = [
        f"# Generator {card['name']}",
        f"`{card['preset']}`: {preset.about}. It makes rows of {card['training_table']['name']}.",
        _use(preset),
        _data(card, settings),
        _training(card, settings),
        f"## What it makes\n{kind.describe(codec)}",
        _origin(card, kind),
    ]
    return "\n\n".join(parts) + "\n"


def _use(preset: Preset[Any]) -> str:
    privacy = (
        "Its weights hold training rows or parts of them, and its rows repeat them: **they are not private**."
        if not preset.private
        else "Training rows are not stored in its weights, but a network may memorise: publish its rows past "
        "the gate only, which measures that."
    )
    return f"""## What it is for
More training rows for recommenders and rankers where real ones are few. Whether they help, for whom and at
what ratio is in the report's verdict, not in this card.

Not for: statistics about people, test or validation data (synthetic rows never enter these), and any time
after the training data's last day. {privacy}"""


def _data(card: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    table = card["training_table"]
    return f"""## What it learnt from
| | |
|---|---|
| table | {table["name"]}, version {table["version"]} ({table["fingerprint"][:16]}) |
| rows | {card["num_rows"]:,}, of the split "train"; {_held_out(card)}, chosen by hash, was kept from it |
| rare values | a category or an extreme of fewer than {settings.get("min_users", 1)} users was not shown |"""


def _held_out(card: Mapping[str, Any]) -> str:
    by_user = "user_id" in card["holdout"]
    return (
        "a tenth of the users with all their rows" if by_user else "a tenth of the rows (of no known users)"
    )


def _training(card: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    metrics = card["metrics"]
    changed = {key: value for key, value in sorted(settings.items()) if value is not None and key != "preset"}
    lines = [
        "## How it was trained",
        f"{metrics['steps']:,} steps, {_workers(card['num_workers'])}, {card['seconds']:,} s.",
        "",
        "| setting | value |",
        "|---|---|",
        *(f"| {key} | {value} |" for key, value in changed.items()),
        "",
        *_outcome(metrics),
    ]
    return "\n".join(lines)


def _workers(number: int) -> str:
    return {0: "in one process", 1: "one worker"}.get(number, f"{number} workers")


def _outcome(metrics: Mapping[str, float]) -> list[str]:
    lines = []
    if "best_step" in metrics:
        gap = metrics["held_out_nats"] - metrics["train_nats"]
        lines.append(
            f"The weights are those of step {metrics['best_step']:,}: {metrics['held_out_nats']:.3f} nats a "
            f"row on rows that it never saw, {gap:.3f} more than on as many training rows. The more it "
            "memorises, the larger that gap."
        )
    else:
        lines.append("It has no likelihood: the weights are those of the last step.")
    rollbacks = int(metrics.get("rollbacks", 0))
    if rollbacks:
        times = "once" if rollbacks == 1 else f"{rollbacks} times"
        lines.append(
            f"Its samples collapsed {times}; training went back to the last good checkpoint and on at lower "
            "rates."
        )
    if "diversity" in metrics:
        lines.append(
            f"At its end a sample had {metrics['diversity']:.2f} of the diversity of as many real rows."
        )
    return [*lines, "", "The curves are in the report."]


def _origin(card: Mapping[str, Any], kind: Kind) -> str:
    return f"""\
## Where it comes from
Run {card["run_id"]}, fingerprint {card["fingerprint"]}, seed {card["seed"]}. The same figures for programs
are in card.json; weights are in weights.safetensors, codecs in codec.json and the Arrow files beside it.

```python
from clicksmith.generators.artefact import Generator
rows = Generator.load(FOLDER).sample_block(seed=1, block=0)  # {kind.block_rows:,} rows, an Arrow table
```"""
