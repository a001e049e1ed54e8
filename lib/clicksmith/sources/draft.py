"""From a proposed mapping to a configuration with comments, and what the log lacks. Needs no Spark."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from clicksmith.sources.proposal import Proposal, known_types
from clicksmith.sources.sample import Sample
from clicksmith.tables import OUTCOMES

_FEW_POSITIVES = 200
_MANY_POSITIVES = 2_000
_DRAWN = 4


def label_of(proposal: Proposal) -> str:
    """The rarest outcome of which there are enough to learn from, else the most frequent one."""
    counts = known_types(proposal.counts)
    enough = [kind for kind in reversed(OUTCOMES) if counts[kind] >= _FEW_POSITIVES]
    chosen = enough[0] if enough else max(OUTCOMES, key=lambda kind: counts[kind])
    return f"label_{chosen}"


def lacks(sample: Sample, proposal: Proposal) -> list[str]:
    """What a verdict on this log will lack, a sentence each."""
    counts = known_types(proposal.counts)
    outcomes = sum(counts[kind] for kind in OUTCOMES)
    label = label_of(proposal).removeprefix("label_")
    positives = round(counts[label] / (sample.share or 1.0))
    found = []
    if outcomes == 0:
        found.append("No event is a click, cart or purchase: there is nothing to learn. See event_types.")
    if not counts["impression"]:
        found.append(
            f"No impressions: {_DRAWN} items are drawn beside each outcome (features.num_negatives), and "
            "figures say how well taken items are told from drawn ones, not from those passed over."
        )
    elif counts["impression"] < 2 * outcomes:
        found.append(
            f"Few impressions: {counts['impression']:,} beside {outcomes:,} outcomes were read. Most of "
            "these follow none that was logged."
        )
    if proposal.events["columns"].get("session_id") == proposal.events["columns"]["user_id"]:
        found.append("No users: a session stands for a user, and nothing is known of earlier visits.")
    elif proposal.user_share < 0.5:
        found.append(
            f"Few users: {proposal.user_share:.0%} of the events say who it was. Sessions stand in for the "
            "others where there are sessions, else those events are rejected."
        )
    if proposal.cut_date is None:
        found.append(
            f"Too short: {proposal.days:.1f} days. Training, validation and test need a day each at least, "
            "and a verdict needs weeks."
        )
    elif proposal.days < 45:
        found.append(
            f"One month only ({proposal.days:.0f} days): other seasons are not seen, and what users did "
            "up to 90 days before is cut off."
        )
    if positives < _MANY_POSITIVES:
        told = "about" if sample.share is not None else "in what was read,"
        found.append(f"Few positives: {told} {positives:,} {label}s. Intervals will be wide.")
    if label != "purchase":
        found.append(f"No or few purchases: {label}s are learnt instead (ranker.label).")
    if proposal.extra_event_types:
        found.append(
            f"Event types without a meaning here: {', '.join(proposal.extra_event_types)}. They are kept, "
            "and count in no feature; map those in event_types that are clicks, carts or the like."
        )
    if "price" not in proposal.events["columns"]:
        found.append("No prices: spend and price bands stay empty.")
    return found


def draft(sample: Sample, proposal: Proposal, path: str, name: str) -> str:
    """The text of a configuration.

    Args:
        sample: of the log.
        proposal: its mapping.
        path: of the log, as its user named it.
        name: of the configuration: its lake is .lake/NAME.
    """
    label = label_of(proposal)
    if sample.share is None:
        read = f"only its first {sample.num_rows:,} rows"
    else:
        read = "all of it" if sample.share == 1 else f"about {sample.share:.1%} of it"
    counts = ", ".join(f"{number:,} {kind}" for kind, number in sorted(proposal.counts.items()))
    head = [
        f"Drafted from {path}: {sample.num_files} file(s), read: {read}.",
        f"{sample.num_rows:,} events: {counts}; {proposal.num_users:,} users, {proposal.num_items:,} items,",
        f"{proposal.first:%Y-%m-%d %H:%M} to {proposal.last:%Y-%m-%d %H:%M} UTC. Look at every line, then:",
        f"    make run CONF=conf/{name}.yaml",
        "",
        "What this log lacks:",
        *(f"- {sentence}" for sentence in lacks(sample, proposal) or ["nothing that was looked for."]),
    ]
    return "".join(f"{text}\n" for text in (*_comment(head), "", *_body(sample, proposal, path, name, label)))


def _body(sample: Sample, proposal: Proposal, path: str, name: str, label: str) -> list[str]:
    events = dict(proposal.events)
    mapping = events.pop("columns")
    drawn = (
        []
        if proposal.counts.get("impression")
        else [f"  num_negatives: {_DRAWN}             # the log has no impressions"]
    )
    cut = (
        []
        if proposal.cut_date is None
        else [f"  cut_date: {proposal.cut_date}           # what is later validates and tests"]
    )
    features = [*drawn, *cut]
    unused = f"  # Not used: {', '.join(proposal.unused)}" if proposal.unused else ""
    contract = {"contract": {"extra_event_types": list(proposal.extra_event_types)}}
    return [
        *_dumped({"lake": {"root": f".lake/{name}"}}),
        "",
        *_dumped({"spark": {"master": "local[2]", "driver_memory": "2g", "shuffle_partitions": 4}}),
        "",
        "source:",
        "  name: files",
        "  events:",
        *_dumped({"path": str(Path(path)) if "://" not in path else path, "format": sample.format}, 4),
        *(_dumped({"delimiter": sample.delimiter}, 4) if sample.format == "csv" else []),
        "    columns:                      # contract: the log's own name",
        *_dumped(mapping, 6),
        *([f"  {unused}"] if unused else []),
        *_dumped(events, 4),
        "  # A catalogue helps rare items. Uncomment, with the paths and names of your own:",
        "  # items:",
        "  #   path: catalogue.csv",
        "  #   format: csv",
        "  #   columns: {item_id: sku, title: name, category: category, brand: brand, price: price}",
        *(["", *_dumped(contract)] if proposal.extra_event_types else []),
        *(["", "features:", *features] if features else []),
        "",
        "generators:                       # max_rows: at most lift's, which its control trains on",
        "  autoregressive: {preset: tabular_ar, num_steps: 600, max_rows: 100000}",
        "  gan: {preset: ctgan, num_steps: 600, max_rows: 100000}",
        "",
        "ranker:",
        f"  label: {label}",
        "",
        "lift:",
        "  arms:                           # what is added to the real rows, in shares of them",
        "    none: {kind: none}",
        "    duplicate_25: {kind: duplicate, ratio: 0.25}",
        "    oversample_tail_25: {kind: oversample_tail, ratio: 0.25}",
        "    autoregressive_25: {kind: synthetic, generator: autoregressive, ratio: 0.25}",
        "    gan_25: {kind: synthetic, generator: gan, ratio: 0.25}",
        "  max_rows: 100000",
    ]


def _dumped(values: dict[str, Any], indent: int = 0) -> list[str]:
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=90, default_flow_style=False)
    return [" " * indent + line for line in text.splitlines()]


def _comment(lines: Sequence[str]) -> list[str]:
    return [f"# {line}".rstrip() for line in lines]
