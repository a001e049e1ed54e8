"""gold: figures and decisions."""

import pyarrow as pa

from clicksmith.tables.schema import Column, Table, columns

EVALUATION_METRICS = Table(
    name="gold.evaluation_metrics",
    columns=columns(
        Column("run_id", pa.string()),
        Column("job", pa.string(), doc="the job that measured it"),
        Column("metric", pa.string(), doc="dotted, e.g. fidelity.shapes or lift.ndcg"),
        Column("slice", pa.string(), doc="all, a column, a pair, or a segment such as history=0-4"),
        Column("arm", pa.string(), doc="a generator, or an arm of a lift measurement"),
        Column("seed", pa.int64(), nullable=True, doc="null where several seeds are pooled"),
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
        Column("decision", pa.string(), allowed=("augment", "do_not_augment", "inconclusive")),
        Column("arm", pa.string(), nullable=True),
        Column("ratio", pa.float64(), nullable=True),
        Column("segments", pa.list_(pa.string()), doc="segments with a lift whose interval excludes 0"),
        Column("evidence", pa.string(), doc="JSON: the figures that the decision rests on"),
    ),
    key=("run_id",),
    layout="a row a decision: small",
    doc="a decision",
)
