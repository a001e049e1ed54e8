"""ops: what the jobs did."""

import pyarrow as pa

from clicksmith.tables.schema import TIMESTAMP, Column, Table, columns

JOB_RUNS = Table(
    name="ops.job_runs",
    columns=columns(
        Column("run_uuid", pa.string(), doc="of this run alone, unlike the run_id of its rows"),
        Column("job", pa.string()),
        Column("started_ts", TIMESTAMP),
        Column("seconds", pa.float64(), minimum=0.0),
        Column("outcome", pa.string(), allowed=("done", "failed")),
        Column("problem", pa.string(), nullable=True, doc="of a failed run"),
        Column("run_id", pa.string(), nullable=True, doc="of what it committed first"),
        Column("config_hash", pa.string(), nullable=True),
        Column("commits", pa.string(), doc="JSON: tables, versions, rows, and what became of rows"),
        Column("peak_memory_mb", pa.float64(), minimum=0.0, doc="of this process, without Spark's and Ray's"),
        Column("library_version", pa.string()),
    ),
    key=("run_uuid",),
    layout="appended to by every job, compacted by maintain_tables",
    doc="a run of a job; not one that was killed",
)
