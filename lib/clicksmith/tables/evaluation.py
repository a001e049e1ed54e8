"""gold: figures and decisions."""

import pyarrow as pa

from clicksmith.tables.schema import TIMESTAMP, Column, Table, columns

EVALUATION_METRICS = Table(
    name="gold.evaluation_metrics",
    columns=columns(
        Column("run_id", pa.string()),
        Column("job", pa.string(), doc="the job that measured it"),
        Column("metric", pa.string(), doc="dotted, e.g. fidelity.shapes or lift.ranking.auc"),
        Column(
            "slice",
            pa.string(),
            doc="all, a column, a pair, rows or profile of an attack, or a segment such as history=0-4",
        ),
        Column("arm", pa.string(), doc="a generator, or an arm of a lift measurement"),
        Column("seed", pa.int64(), nullable=True, doc="number of a training; null where several are pooled"),
        Column("value", pa.float64(), nullable=True),
        Column("ci_low", pa.float64(), nullable=True),
        Column("ci_high", pa.float64(), nullable=True),
        Column("ceiling", pa.float64(), nullable=True, doc="the same figure of real against real rows"),
        Column("num_rows", pa.int64(), minimum=0),
    ),
    key=("run_id", "metric", "slice", "arm", "seed"),
    partition_by=("job",),
    layout="a job replaces its own rows and no others",
    doc="a figure",
)

VERDICTS = Table(
    name="gold.verdicts",
    columns=columns(
        Column("run_id", pa.string()),
        Column("task", pa.string(), allowed=("ranking", "next_item", "search")),
        Column("model", pa.string(), doc="of the configuration, as it was measured"),
        Column("decision", pa.string(), allowed=("augment", "no_gain", "inconclusive")),
        Column("arm", pa.string(), nullable=True, doc="to train with; null: real rows alone"),
        Column("ratio", pa.float64(), nullable=True, doc="added rows a real row"),
        Column("segments", pa.list_(pa.string()), doc="for whom the arm beats real rows and all cheap arms"),
        Column("evidence", pa.string(), doc="JSON: the figures that the decision rests on"),
    ),
    key=("run_id", "task", "model"),
    layout="a row a decision: small",
    doc="a decision on one kind of model",
)

MEASUREMENTS = Table(
    name="gold.measurements",
    columns=columns(
        Column("run_id", pa.string(), doc="of the measurement, as in gold.verdicts if it came to one"),
        Column("started_ts", TIMESTAMP),
        Column("training_fingerprint", pa.string(), doc="of gold.training_examples"),
        Column("training_version", pa.int64(), minimum=0),
        Column("arms", pa.list_(pa.string()), doc="what was tried, as task/arm"),
    ),
    key=("run_id",),
    layout="appended to by each measurement before it trains anything",
    doc="a lift measurement that was started: a ledger, which is never cleared",
)
