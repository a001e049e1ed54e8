"""A trained next-item model's lists for all users as a DataFrame."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from clicksmith.recommenders.artefact import TrainedSequence
from clicksmith.tables import RECOMMENDATIONS

_USERS_AT_ONCE = 1024
_SCHEMA = pa.schema(
    [RECOMMENDATIONS.arrow_schema.field(name) for name in ("user_id", "rank", "item_id", "is_cold_user")]
)


def recommendations(
    sequences: DataFrame,
    folder: str,
    model_id: str,
    k: int,
    approximate: bool = False,
    profiles: DataFrame | None = None,
) -> DataFrame:
    """Rows for gold.recommendations.

    Args:
        sequences: rows of gold.sequences; a user's rows of all splits make the history.
        folder: of the trained model; executors read it once per Python process.
        model_id: its name and run.
        k: items a user.
        approximate: by an index of nearest neighbours; each Python process builds it once.
        profiles: user_id and the features of users that the model knows; None: it knows none.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        model = _load(folder)
        for batch in batches:
            for start in range(0, batch.num_rows, _USERS_AT_ONCE):
                yield _lists(model, batch.slice(start, _USERS_AT_ONCE), k, approximate)

    # Splits follow one another in time, so their first moments order them.
    lists = ["item_ids", "event_types", "event_ts"]
    part = F.struct(F.col("event_ts")[0].alias("first_ts"), *lists)
    parts = F.array_sort(F.collect_list(part))
    histories = sequences.groupBy("user_id").agg(*(F.flatten(parts[name]).alias(name) for name in lists))
    if profiles is not None:
        histories = histories.join(profiles, "user_id", "left")
    rows = histories.mapInArrow(run, from_arrow_schema(_SCHEMA))
    return rows.withColumn("model_id", F.lit(model_id))


@lru_cache(maxsize=1)
def _load(folder: str) -> TrainedSequence:
    return TrainedSequence.load(folder)


def _lists(model: TrainedSequence, users: pa.RecordBatch, k: int, approximate: bool) -> pa.RecordBatch:
    items, types, times = (users.column(name) for name in ("item_ids", "event_types", "event_ts"))
    known = set(users.schema.names)
    features = {name: users.column(name) for name in model.context.user_values if name in known}
    ids, is_cold = model.recommend(items.to_pylist(), k, approximate, types, times, features)
    row, column = np.nonzero(ids != None)  # noqa: E711  # element-wise
    return pa.RecordBatch.from_arrays(
        [
            users.column("user_id").take(pa.array(row)),
            pa.array(column + 1, pa.int32()),
            pa.array(ids[row, column], pa.string()),
            pa.array(is_cold[row]),
        ],
        schema=_SCHEMA,
    )
