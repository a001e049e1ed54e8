"""From a proposed mapping to a configuration with comments. Needs no Spark."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from clicksmith.sources.lacks import NUM_DRAWN, label_of, lacks
from clicksmith.sources.proposal import Proposal
from clicksmith.sources.sample import Sample


def draft(sample: Sample, proposal: Proposal, path: str, out: str | Path) -> str:
    """The text of a configuration.

    Args:
        sample: of the log.
        proposal: its mapping.
        path: of the log, as its user named it.
        out: the file that it will be: its lake is .lake/NAME.
    """
    name = Path(out).stem
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
        f"    make run CONF={out}",
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
        else [f"  num_negatives: {NUM_DRAWN}             # the log has no impressions"]
    )
    cut = (
        []
        if proposal.cut_date is None
        else [f"  cut_date: {proposal.cut_date}           # what is later, some fifth, validates and tests"]
    )
    features = [*drawn, *cut]
    unused = f"  # Not used: {' '.join(', '.join(proposal.unused).split())}" if proposal.unused else ""
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
        "# Fewer num_steps (of generators, of the ranker) and lift.num_seeds (at least 3) shorten the run.",
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
    return [f"# {part}".rstrip() for line in lines for part in line.splitlines() or [""]]
