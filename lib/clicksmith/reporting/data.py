"""What a report shows, gathered from a lake. Needs neither Spark nor Ray."""

import json
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

import clicksmith
from clicksmith.config import SECTIONS, Config
from clicksmith.errors.redact import redact
from clicksmith.evaluation.rows import Metric, read_metrics
from clicksmith.generators.kind import Shown
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Lake, models_root
from clicksmith.reporting.cut import Cut, cut_of
from clicksmith.reporting.shown import rows_to_show
from clicksmith.tables import (
    ALL_TABLES,
    EVALUATION_METRICS,
    EVENTS_REJECTED,
    ITEMS_REJECTED,
    JOB_RUNS,
    SEARCH_PAIRS,
    SEQUENCES,
    SILVER_REJECTED,
    TRAINING_EXAMPLES,
    TWINS,
    USERS_REJECTED,
    VERDICTS,
    Table,
)

LIBRARIES = (
    "pyspark",
    "delta-spark",
    "deltalake",
    "ray",
    "torch",
    "pyarrow",
    "numpy",
    "polars",
    "scikit-learn",
)
MAX_REJECTED = 1_000_000
"""Rows of a table whose reasons are counted."""
EVALUATION_JOBS = ("evaluate_synthetic", "measure_lift")


@dataclass(frozen=True)
class TableFacts:
    """One table, or one part of it: what made its rows."""

    name: str
    part: str | None
    version: int
    num_rows: int | None
    job: str
    run_id: str
    fingerprint: str
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Standing:
    """How verdicts and models stand to what is there now. `lift` knows; it lies above, and a job asks it.

    Attributes:
        stale: why the verdicts do not hold for the rows and settings of now; empty: they do.
        augmented: by a recommender's section, the arm that train_recommender would train it with, as its card
            tells it; None: real rows alone. Without the models that it would refuse to train.
    """

    stale: str
    augmented: Mapping[str, Mapping[str, Any] | None]


@dataclass(frozen=True)
class ReportData:
    """Everything that a report shows.

    Attributes:
        config: the configuration, as plain values, without its secrets.
        verdicts: the rows of gold.verdicts with their evidence parsed, and with the `stale` of `Standing`,
            in the order of tasks.
        synthetic: figures of evaluate_synthetic.
        lift: figures of measure_lift.
        generators: model cards of the configured generators, trained on the current table.
        recommenders: the same of the recommenders, trained with what they would be trained with now.
        tables: what each table and part was made by.
        reasons: table name to (reason, rows), the most frequent first.
        runs: of ops.job_runs, the longest done run of each job.
        measuring: seconds of measure_lift, by the run id of the verdicts that it committed.
        versions: of the libraries, by name.
        impressions: see `Config.impressions`.
        cut: of gold.training_examples; None where the lake does not tell.
        shown: a few real and generated sequences, see `shown.rows_to_show`.
    """

    config: Mapping[str, Any]
    verdicts: Sequence[Mapping[str, Any]]
    synthetic: Sequence[Metric]
    lift: Sequence[Metric]
    generators: Sequence[Mapping[str, Any]]
    recommenders: Sequence[Mapping[str, Any]]
    tables: Sequence[TableFacts]
    reasons: Mapping[str, Sequence[tuple[str, int]]]
    runs: Sequence[Mapping[str, Any]]
    measuring: Mapping[str, float]
    versions: Mapping[str, str]
    impressions: str
    cut: Cut | None
    shown: Mapping[str, Sequence[Shown]]


def gather(config: Config, standing: Standing) -> ReportData:
    """Read a lake. What it does not hold yet is empty.

    Raises:
        LakeError: a table or card is there but cannot be read.
    """
    lake = Lake.of(config)
    shipped = {section: getattr(config, section) for section in SECTIONS.values()}
    wanted = {name: own for name, own in shipped.items() if own is not None and name in standing.augmented}
    figures, runs = {job: _figures(lake, job) for job in EVALUATION_JOBS}, _done_runs(lake)
    return ReportData(
        config=redact(config.model_dump(mode="json")),
        verdicts=_verdicts(lake, standing.stale),
        synthetic=figures["evaluate_synthetic"],
        lift=figures["measure_lift"],
        generators=_cards(config, lake, "generators", config.fits, {}),
        recommenders=_cards(config, lake, "recommenders", wanted, standing.augmented),
        tables=[facts for table in ALL_TABLES for facts in _facts(lake, table, _parts(config, table))],
        reasons={
            table.name: reasons
            for table in (EVENTS_REJECTED, ITEMS_REJECTED, USERS_REJECTED, SILVER_REJECTED)
            if (reasons := _reasons(lake, table))
        },
        runs=sorted({run["job"]: run for run in runs}.values(), key=lambda run: str(run["started_ts"])),
        measuring={
            run["run_id"]: run["seconds"] for run in runs if run["job"] == "measure_lift" and run["run_id"]
        },
        versions=_versions(),
        impressions=config.impressions,
        cut=cut_of(lake),
        shown=rows_to_show(config, lake),
    )


def _figures(lake: Lake, job: str) -> list[Metric]:
    snapshot = lake.find(EVALUATION_METRICS, f"job={job}")
    return [] if snapshot is None else read_metrics(snapshot, job)


def _verdicts(lake: Lake, stale: str) -> list[dict[str, Any]]:
    snapshot = lake.find(VERDICTS)
    if snapshot is None:
        return []
    table = DeltaTable(snapshot.uri, version=snapshot.version).to_pyarrow_table()
    if "task" not in table.column_names:  # of a release that measured rankers alone, by other rules
        return []
    rows, tasks = table.to_pylist(), VERDICTS["task"].allowed or ()
    parsed = [{**row, "evidence": json.loads(row["evidence"]), "stale": stale} for row in rows]
    # What is shipped comes before other families of the same task: its name is the shorter one.
    return sorted(parsed, key=lambda row: (tasks.index(row["task"]), row["evidence"]["name"]))


def _cards(
    config: Config,
    lake: Lake,
    kind: str,
    wanted: Mapping[str, Any],
    augmented: Mapping[str, Mapping[str, Any] | None],
) -> list[dict[str, Any]]:
    """The card of each wanted model: of the current table, seed and settings, trained with the arm as told.

    Cards do not tell all that a model was trained on: of several it is the one of the highest table version.
    """
    tables = (TRAINING_EXAMPLES, SEQUENCES, SEARCH_PAIRS)
    current = {table.name: there.fingerprint for table in tables if (there := lake.find(table)) is not None}
    found: dict[str, dict[str, Any]] = {}
    for uri in storage.find_files(storage.join(models_root(config), kind), "card.json"):
        card = storage.read_json(uri)
        name = card.get("name")
        if name not in wanted or not _is_current(card, config, wanted[name], current):
            continue
        if card["settings"].get("augmented") != augmented.get(name):
            continue
        if name not in found or _version(card) >= _version(found[name]):
            found[name] = card
    return [found[name] for name in wanted if name in found]


def _is_current(
    card: Mapping[str, Any], config: Config, section: Any, fingerprints: Mapping[str, str]
) -> bool:
    settings, table = card["settings"], card["training_table"]
    same_settings = settings.get("generator", settings.get(card["name"])) == section.model_dump(mode="json")
    same_table = table["fingerprint"] == fingerprints.get(table["name"])
    return bool(same_settings and same_table and card["seed"] == config.seed)


def _version(card: Mapping[str, Any]) -> int:
    return int(card["training_table"]["version"])


def _parts(config: Config, table: Table) -> list[str | None]:
    for kind, twin in TWINS.items():
        if table in (twin.candidates, twin.published):
            return [f"generator={name}" for name, options in config.fits.items() if options.kind == kind]
    if table is EVALUATION_METRICS:
        return [f"job={job}" for job in EVALUATION_JOBS]
    return [None]


def _facts(lake: Lake, table: Table, parts: Sequence[str | None]) -> list[TableFacts]:
    found = [(part, lake.find(table, part)) for part in parts]
    return [
        TableFacts(
            name=table.name,
            part=part,
            version=snapshot.version,
            num_rows=snapshot.num_rows,
            job=snapshot.metadata["job"],
            run_id=snapshot.metadata["run_id"],
            fingerprint=snapshot.fingerprint,
            counts=snapshot.metadata.get("counts") or {},
        )
        for part, snapshot in found
        if snapshot is not None
    ]


def _reasons(lake: Lake, table: Table, top: int = 10) -> list[tuple[str, int]]:
    """Rejected rows by reason, of `MAX_REJECTED` at most: a row with two reasons counts in both."""
    delta = lake.open(table)
    if delta is None:
        return []
    counts: Counter[str] = Counter()
    left = MAX_REJECTED
    for batch in delta.to_pyarrow_dataset().to_batches(columns=["reasons"]):
        flat = pc.list_flatten(batch.column("reasons").slice(0, left))
        for entry in pc.value_counts(flat).to_pylist():
            counts[entry["values"]] += entry["counts"]
        left -= batch.num_rows
        if left <= 0:
            break
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:top]


def _done_runs(lake: Lake) -> list[dict[str, Any]]:
    """From the shortest to the longest: one that found its work done tells nothing."""
    delta = lake.open(JOB_RUNS)
    # Not to_pyarrow_table: of a table of many files it may abort this process when that ends.
    found: list[dict[str, Any]] = [] if delta is None else pa.table(delta.scan()).to_pylist()
    return sorted((run for run in found if run["outcome"] == "done"), key=lambda run: run["seconds"])


def _versions() -> dict[str, str]:
    versions = {"clicksmith": clicksmith.__version__, "python": platform.python_version()}
    for library in LIBRARIES:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return versions
