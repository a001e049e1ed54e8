"""Whether events and the catalogue speak of the same items."""

import logging

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

logger = logging.getLogger(__name__)

_NUM_EVENTS = 1_000
_FEW = 0.5


def warn_of_strangers(events: DataFrame, items: DataFrame) -> float | None:
    """Warn where few of some events have a record of the catalogue: their ids may be written differently.

    Args:
        events: rows of bronze.events; the first thousand that have an item are looked up.
        items: rows of bronze.items.

    Returns:
        The share of those events whose item is in the catalogue; None without events.
    """
    rows = events.where(F.col("item_id").isNotNull()).select("item_id").limit(_NUM_EVENTS).collect()
    ids = [row.item_id for row in rows]
    if not ids:
        return None
    found = items.where(F.col("item_id").isin(sorted(set(ids)))).select("item_id").distinct().collect()
    known = {row.item_id for row in found}
    share = sum(one in known for one in ids) / len(ids)
    if share < _FEW:
        stranger = next(one for one in ids if one not in known)
        other = items.select("item_id").first()
        logger.warning(
            "only %.1f %% of %d events have their item in the catalogue: events name %r, the catalogue %r; "
            "check that source.events and source.items map the same id",
            100 * share,
            len(ids),
            stranger,
            None if other is None else other.item_id,
        )
    return share
