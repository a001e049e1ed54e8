"""What jobs depend on, up to the gate, and what in a lake was made otherwise. Needs no Spark.

Here and not in the jobs, so that a report, or a job further down, can tell without an engine whether what it
reads is what the configuration asks for.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from clicksmith.config import Config
from clicksmith.lakehouse.catalog import Lake, Snapshot
from clicksmith.lakehouse.lineage import Lineage, trace
from clicksmith.tables import (
    BRONZE_EVENTS,
    EVALUATION_METRICS,
    ITEM_PROFILES,
    SEARCH_PAIRS,
    SEQUENCES,
    SILVER_EVENTS,
    SYNTHETIC_CANDIDATES,
    TRAINING_EXAMPLES,
    USER_PROFILES,
    VOCABULARY,
    Table,
)

ROAD = (
    "ingest_events",
    "clean_events",
    "build_profiles",
    "build_training_set",
    "train_generator",
    "synthesize_samples",
    "evaluate_synthetic",
    "measure_lift",
    "train_recommender",
    "score_candidates",
    "export_recommender",
)
"""Jobs in the order in which they read one another's tables."""

_LEARNT_FROM = (TRAINING_EXAMPLES, SEQUENCES, SEARCH_PAIRS, VOCABULARY)
_REPLAYS = {"ingest_events": ("replay_rejected",)}

Inputs = Mapping[str, Snapshot]
JUDGED = "job=evaluate_synthetic"
"""The part of gold.evaluation_metrics that the gate rests on."""


def trace_ingest(config: Config, fingerprint: str) -> Lineage:
    """The lineage of an ingest; `fingerprint` is of the source's content."""
    return trace("ingest_events", config, _reading(config), extra_inputs={"source": fingerprint})


def trace_replay(config: Config, inputs: Inputs) -> Lineage:
    """The lineage of trying rejected events again."""
    return trace("replay_rejected", config, _reading(config), inputs)


def _reading(config: Config) -> dict[str, Any]:
    """Without paths and batches: with the content's fingerprint, all that determines a source's rows."""
    batches = ("incremental", "max_files", "settle_seconds", "accept_changed")
    exclude: dict[str, Any] = {name: True for name in batches}
    exclude |= {name: {"path"} for name in ("events", "items", "users")}
    return {"source": config.source.model_dump(mode="json", exclude=exclude), "contract": config.contract}


def trace_cleaning(config: Config, inputs: Inputs) -> Lineage:
    """The lineage of cleaning bronze.events."""
    return trace("clean_events", config, {"cleaning": config.cleaning}, inputs)


def trace_profiles(config: Config, inputs: Inputs) -> Lineage:
    """The lineage of profiles."""
    return trace("build_profiles", config, {"features": config.features}, inputs)


def trace_training_set(config: Config, inputs: Inputs) -> Lineage:
    """The lineage of the training set."""
    return trace("build_training_set", config, {"features": config.features}, inputs)


def trace_generator(config: Config, name: str, examples: Snapshot) -> Lineage:
    """The lineage of training a generator; known before it is trained.

    The number of workers is no part of it: they compute the same up to the order of sums, and a run that was
    cut off may go on with more or fewer of them.
    """
    sections = {"generator": config.fits[name]}
    return trace(f"train_generator/{name}", config, sections, {"training_examples": examples})


def trace_candidates(config: Config, name: str, generator: Lineage) -> Lineage:
    """The lineage of a generator's candidates."""
    sections, inputs = {"synthesis": config.synthesis}, {name: generator.fingerprint}
    return trace(f"synthesize_samples/{name}", config, sections, extra_inputs=inputs)


def trace_gate(config: Config, examples: Snapshot, candidates: Inputs) -> Lineage:
    """The lineage of the gate's figures."""
    limits = {name: generator.max_rows for name, generator in config.fits.items()}
    sections = {"gate": config.gate, "label": config.ranker.label, "max_rows": limits}
    return trace("evaluate_synthetic", config, sections, {"training_examples": examples, **candidates})


def sequential_inputs(config: Config, lake: Lake) -> dict[str, Snapshot]:
    """The newest versions of what the next-item model is trained on.

    Raises:
        LakeError: one of them is not there.
    """
    tables = {"sequences": SEQUENCES, "vocabulary": VOCABULARY}
    if config.sequential.item_attributes:
        tables["item_profiles"] = ITEM_PROFILES
    if config.sequential.user_features:
        tables["user_profiles"] = USER_PROFILES
    return {name: lake.get(table) for name, table in tables.items()}


@dataclass(frozen=True)
class Outdated:
    """What lies in the lake, and is not what the configuration asks for.

    Attributes:
        table, part: what.
        why: what it was made with, or of.
        first: the job to run again, with those after it.
    """

    table: Table
    part: str | None
    why: str
    first: str

    def __str__(self) -> str:
        """A sentence."""
        what = self.table.name if self.part is None else f"{self.table.name} ({self.part})"
        return f"{what} was made {self.why}: run {self.first} again, and the jobs after it."


def outdated(config: Config, lake: Lake, job: str | None = None) -> list[Outdated]:
    """Of what a job reads, what was made otherwise than the configuration says now.

    New rows upstream are no fault: a lake is filled at other times than it is learnt from. From the training
    examples on they are, since what is generated has to be of the rows that it is mixed with.

    Args:
        config: the configuration.
        lake: the lake.
        job: one of `ROAD`: what it and later ones write is not looked at. None: all is.

    Raises:
        LakeError: a table cannot be opened.
    """
    before = ROAD if job is None else ROAD[: ROAD.index(job)]
    return [*_of_rows(config, lake, before), *_of_samples(config, lake, before)]


def _of_rows(config: Config, lake: Lake, before: Collection[str]) -> Iterator[Outdated]:
    """Up to the training examples: by settings alone."""
    steps: tuple[tuple[Lineage, str, tuple[Table, ...]], ...] = (
        (trace_ingest(config, ""), "source or contract", (BRONZE_EVENTS,)),
        (trace_cleaning(config, {}), "cleaning", (SILVER_EVENTS,)),
        (trace_profiles(config, {}), "features", (USER_PROFILES, ITEM_PROFILES)),
        (trace_training_set(config, {}), "features", _LEARNT_FROM),
    )
    for lineage, sections, tables in steps:
        found = [lake.find(table) for table in tables] if lineage.job in before else []
        others = [one.table for one in found if one is not None and _has_other_settings(lineage, one)]
        if others:
            why = f"with another seed or other settings of {sections} than are configured now"
            yield Outdated(others[0], None, why, lineage.job)  # it speaks for all of the job


def _has_other_settings(lineage: Lineage, found: Snapshot) -> bool:
    """Whether the same job took other settings; a replay takes the ingest's."""
    is_own = found.metadata.get("job") in (lineage.job, *_REPLAYS.get(lineage.job, ()))
    return is_own and found.metadata.get("config_hash") != lineage.config_hash


def _of_samples(config: Config, lake: Lake, before: Collection[str]) -> Iterator[Outdated]:
    """From the training examples to the gate: by all that determines them."""
    examples = lake.find(TRAINING_EXAMPLES) if "synthesize_samples" in before else None
    if examples is None:
        return
    found = {name: lake.find(SYNTHETIC_CANDIDATES, f"generator={name}") for name in config.fits}
    candidates = {name: snapshot for name, snapshot in found.items() if snapshot is not None}
    others = [
        name
        for name, snapshot in candidates.items()
        if _is_other(trace_candidates(config, name, trace_generator(config, name, examples)), snapshot)
    ]
    if others:
        part = f"generator={', '.join(others)}"
        why = "with another seed, other settings of generators or synthesis, or of other examples than now"
        yield Outdated(SYNTHETIC_CANDIDATES, part, why, "train_generator")
    judged = lake.find(EVALUATION_METRICS, JUDGED) if "evaluate_synthetic" in before else None
    if judged is not None and _is_other(trace_gate(config, examples, candidates), judged):
        why = "with another seed, other settings of gate or label, or of other generated rows than now"
        yield Outdated(EVALUATION_METRICS, JUDGED, why, "evaluate_synthetic")


def _is_other(lineage: Lineage, found: Snapshot) -> bool:
    """Whether the same job has made something else."""
    return bool(found.metadata.get("job") == lineage.job and not lineage.made(found))
