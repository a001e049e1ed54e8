"""What jobs depend on, up to the gate, and what in a lake was made with other settings. Needs no Spark.

Here and not in the jobs, so that a report, or a job further down, can tell without an engine whether what it
reads is what the configuration asks for. Rows are not asked about: a lake is filled at other times than it is
learnt from. Each commit tells of which settings it is, and so of which those are that made its inputs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from clicksmith.config import Config, FilesConfig
from clicksmith.errors import LakeError
from clicksmith.lakehouse.catalog import Lake, Snapshot
from clicksmith.lakehouse.lineage import Lineage, asked, asked_of, trace
from clicksmith.tables import (
    BRONZE_EVENTS,
    BRONZE_ITEMS,
    BRONZE_USERS,
    EVALUATION_METRICS,
    ITEM_PROFILES,
    SEARCH_PAIRS,
    SEQUENCES,
    SILVER_EVENTS,
    TRAINING_EXAMPLES,
    TWINS,
    USER_PROFILES,
    VOCABULARY,
    Table,
    Twin,
)

JUDGED = "job=evaluate_synthetic"
"""The part of gold.evaluation_metrics that the gate rests on."""

Inputs = Mapping[str, Snapshot]
Part = tuple[Table, str | None]
"""A table, or a part of it as `commit` names one."""

_SOURCE = {"events": BRONZE_EVENTS}
_SILVER = {"events": SILVER_EVENTS, "items": BRONZE_ITEMS, "users": BRONZE_USERS}
_STEPS: Mapping[str, tuple[str, tuple[Table, ...], Mapping[str, Table]]] = {
    "ingest_events": ("source, contract", (BRONZE_EVENTS, BRONZE_ITEMS, BRONZE_USERS), {}),
    "clean_events": ("cleaning", (SILVER_EVENTS,), _SOURCE),
    "build_profiles": ("features", (USER_PROFILES, ITEM_PROFILES), _SILVER),
    "build_training_set": ("features", (TRAINING_EXAMPLES, SEQUENCES, SEARCH_PAIRS, VOCABULARY), _SILVER),
}
"""By job, in their order: the sections that it reads, the tables that it writes, and its inputs."""
_CANDIDATES = {twin.candidates.name: twin for twin in TWINS.values()}
_PUBLISHED = {twin.published.name: twin for twin in TWINS.values()}


def trace_ingest(config: Config, fingerprint: str) -> Lineage:
    """The lineage of an ingest; `fingerprint` is of the source's content."""
    lineage = trace("ingest_events", config, _reading(config), extra_inputs={"source": fingerprint})
    return replace(lineage, asked_hash=_asked_of_step(config, "ingest_events"))


def trace_replay(config: Config, inputs: Inputs) -> Lineage:
    """The lineage of trying rejected events again."""
    lineage = trace("replay_rejected", config, _reading(config), inputs)
    return replace(lineage, asked_hash=_asked_of_step(config, "ingest_events"))


def _reading(config: Config) -> dict[str, Any]:
    """Without paths and batches: with the content's fingerprint, all that determines a source's rows."""
    batches = ("incremental", "max_files", "settle_seconds", "accept_changed")
    exclude: dict[str, Any] = {name: True for name in batches}
    exclude |= {name: {"path"} for name in ("events", "items", "users")}
    return {"source": config.source.model_dump(mode="json", exclude=exclude), "contract": config.contract}


def _sections(config: Config, job: str) -> dict[str, Any]:
    """What a step reads of the configuration."""
    if job == "ingest_events":
        return _reading(config)
    return {"cleaning": config.cleaning} if job == "clean_events" else {"features": config.features}


def trace_cleaning(config: Config, inputs: Inputs) -> Lineage:
    """The lineage of cleaning bronze.events."""
    return trace("clean_events", config, _sections(config, "clean_events"), inputs)


def trace_profiles(config: Config, inputs: Inputs) -> Lineage:
    """The lineage of profiles."""
    return trace("build_profiles", config, _sections(config, "build_profiles"), inputs)


def trace_training_set(config: Config, inputs: Inputs) -> Lineage:
    """The lineage of the training set."""
    return trace("build_training_set", config, _sections(config, "build_training_set"), inputs)


def twin_of(config: Config, fit: str) -> Twin:
    """The tables of a fit's kind of data."""
    return TWINS[config.fits[fit].kind]


def sources_of(config: Config, lake: Lake) -> dict[str, Snapshot]:
    """The newest versions of what the configured generators learn from, by the kind of data.

    Raises:
        LakeError: one of them is not there.
    """
    kinds = dict.fromkeys(options.kind for options in config.generators.values())
    return {kind: lake.get(TWINS[kind].source) for kind in kinds}


def trace_generator(config: Config, name: str, source: Snapshot) -> Lineage:
    """The lineage of training a generator; known before it is trained.

    The number of workers is no part of it: they compute the same up to the order of sums, and a run that was
    cut off may go on with more or fewer of them.
    """
    sections, inputs = {"generator": config.fits[name]}, {twin_of(config, name).source_name: source}
    return trace(f"train_generator/{name}", config, sections, inputs)


def trace_candidates(config: Config, name: str, generator: Lineage) -> Lineage:
    """The lineage of a generator's candidates."""
    synthesis = config.synthesis.of_kind(config.fits[name].kind)
    sections, inputs = {"synthesis": synthesis}, {name: generator.fingerprint}
    lineage = trace(f"synthesize_samples/{name}", config, sections, extra_inputs=inputs)
    return replace(lineage, asked_hash=asked(config, sections, {name: generator.asked_hash}))


def trace_gate(config: Config, sources: Inputs, candidates: Inputs) -> Lineage:
    """The lineage of the gate's figures; `sources` are by the kind of data, `candidates` by the fit."""
    limits = {name: generator.max_rows for name, generator in config.fits.items()}
    learnt_from = {TWINS[kind].source_name: source for kind, source in sources.items()}
    inputs, sections = {**learnt_from, **candidates}, {**_gate(config), "max_rows": limits}
    lineage = trace("evaluate_synthetic", config, sections, inputs)
    # What is judged tells by itself of which settings it is.
    return replace(lineage, asked_hash=asked(config, _gate(config), {}))


def _gate(config: Config) -> dict[str, Any]:
    return {"gate": config.gate, "label": config.ranker.label}


def trace_publishing(config: Config, name: str, candidates: Snapshot, passed: bool) -> Lineage:
    """The lineage of a generator's published rows: all of the candidates, or none."""
    lineage = trace(f"publish_samples/{name}", config, {"passed": passed}, {"candidates": candidates})
    return replace(lineage, asked_hash=asked_of(candidates))


def sequential_inputs(config: Config, lake: Lake) -> dict[str, Snapshot]:
    """The newest versions of what the next-item model is trained on.

    Raises:
        LakeError: one of them is not there.
    """
    tables = {"sequences": SEQUENCES, "vocabulary": VOCABULARY, **_profiles(config)}
    return {name: lake.get(table) for name, table in tables.items()}


def _profiles(config: Config) -> dict[str, Table]:
    """What the next-item model is told of items and users, by name."""
    columns = {
        ITEM_PROFILES: config.sequential.item_attributes,
        USER_PROFILES: config.sequential.user_features,
    }
    return {table.name.split(".")[1]: table for table, wanted in columns.items() if wanted}


def read_by(config: Config, job: str) -> list[Part]:
    """What a job reads of what other settings may have made; nothing of a job that reads no such table."""
    if job in _STEPS:
        return [(table, None) for table in _STEPS[job][2].values()]
    twins = {name: twin_of(config, name) for name in config.fits}
    learnt_from: list[Part] = [(table, None) for table in dict.fromkeys(t.source for t in twins.values())]
    if job == "evaluate_synthetic":
        return [*learnt_from, *((twin.candidates, f"generator={name}") for name, twin in twins.items())]
    if job in ("train_generator", "synthesize_samples"):
        return learnt_from
    examples: list[Part] = [(TRAINING_EXAMPLES, None)]
    sequences: list[Part] = [(table, None) for table in (SEQUENCES, *_profiles(config).values())]
    if job in ("score_candidates", "export_recommender"):
        return [*examples, *sequences]
    if job in ("measure_lift", "train_recommender"):
        return [*examples, *sequences, *measured_rows(config)]
    return []


def measured_fits(config: Config) -> list[str]:
    """Every fit of the generators that arms name."""
    generators = sorted({str(arm.generator) for arm, *_ in config.generated_arms.values()})
    return [fit for name in generators for fit in config.fits_of(name)]


def measured_rows(config: Config) -> list[Part]:
    """The published rows that a measurement adds, of every fit that an arm names, and what the gate found."""
    parts: list[Part] = [
        (twin_of(config, fit).published, f"generator={fit}") for fit in measured_fits(config)
    ]
    return [*parts, (EVALUATION_METRICS, JUDGED)] if parts else []


@dataclass(frozen=True)
class Outdated:
    """What lies in the lake, and is not of the settings of now.

    Attributes:
        what: the table, or its part.
        sections: whose settings made it.
        job: that mends it, and those after it.
    """

    what: str
    sections: str
    job: str

    def __str__(self) -> str:
        """A sentence."""
        return (
            f"{self.what} was made with other settings (seed, {self.sections}, or those of what it was made "
            f"from) than are configured now: run {self.job} again, and the jobs after it."
        )


def outdated(config: Config, lake: Lake, parts: Iterable[Part]) -> list[Outdated]:
    """Of some tables, or parts, what other settings made than those that are configured now.

    Of each the first step upstream is told whose settings are others. Nothing is said of what is not there or
    cannot be opened, which is for the job that reads it, and of what was committed before commits told.

    Args:
        config: the configuration.
        lake: the lake.
        parts: see `read_by`.
    """
    found: dict[str, Outdated] = {}
    for part in parts:
        if (one := _first_other(config, lake, part)) is not None:
            found.setdefault(one.job, one)  # one table speaks for all of a job's
    return list(found.values())


def _first_other(config: Config, lake: Lake, part: Part) -> Outdated | None:
    if not _is_other(config, lake, part):  # it tells of all that is upstream as well
        return None
    table, name = next(one for one in _upstream(part) if one == part or _is_other(config, lake, one))
    return Outdated(table.name if name is None else f"{table.name} ({name})", *_made_by(table))


def _is_other(config: Config, lake: Lake, part: Part) -> bool:
    try:
        there = lake.find(*part)
    except LakeError:
        return False
    return there is not None and asked_of(there) not in (None, expected_of(config, part))


def _upstream(part: Part) -> list[Part]:
    """What a part is made from, the first step's tables first, and itself."""
    table, name = part
    if (twin := _PUBLISHED.get(table.name)) is not None:
        return [*_upstream((twin.candidates, name)), part]
    if (twin := _CANDIDATES.get(table.name)) is not None:
        return [*_upstream((twin.source, None)), part]
    inputs = next((inputs for _, tables, inputs in _STEPS.values() if table in tables), {})
    return [*(upper for one in inputs.values() for upper in _upstream((one, None))), part]


def _made_by(table: Table) -> tuple[str, str]:
    """The sections of which a table takes settings, and the job to begin with."""
    if table is EVALUATION_METRICS:
        return "gate, ranker.label", "evaluate_synthetic"
    if table.name in _CANDIDATES:
        return "generators, synthesis", "train_generator"
    if table.name in _PUBLISHED:
        return "generators, synthesis", "evaluate_synthetic"
    return next((sections, job) for job, (sections, tables, _) in _STEPS.items() if table in tables)


def expected_of(config: Config, part: Part) -> str | None:
    """The hash that a part's commit would carry now, see `Lineage.asked_hash`."""
    table, name = part
    if table is EVALUATION_METRICS:
        return asked(config, _gate(config), {})
    twin = _CANDIDATES.get(table.name) or _PUBLISHED.get(table.name)
    if twin is not None and name is not None:
        fit = name.partition("=")[2]
        source = {twin.source_name: expected_of(config, (twin.source, None))}
        generator = asked(config, {"generator": config.fits[fit]}, source)
        synthesis = config.synthesis.of_kind(config.fits[fit].kind)
        return asked(config, {"synthesis": synthesis}, {fit: generator})
    job = next(job for job, (_, tables, _) in _STEPS.items() if table in tables)
    return _asked_of_step(config, job)


def _asked_of_step(config: Config, job: str) -> str | None:
    inputs = {name: expected_of(config, (table, None)) for name, table in _STEPS[job][2].items()}
    if job == "ingest_events" and isinstance(config.source, FilesConfig) and config.source.incremental:
        # Batch by batch, each by the rules of its day: no later setting makes the earlier ones other rows.
        return "batches"
    return asked(config, _sections(config, job), inputs)
