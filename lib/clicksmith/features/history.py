"""What each impression's user had done before it, and what followed: arrays in, arrays out. Needs no Spark.

Outcomes are few beside impressions. Sorted once by (group, time), any count of a group's outcomes before a
moment is a difference of two prefix sums, at positions that a binary search finds; no join, and no window
that slides.
"""

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from clicksmith.events.sessions import number_texts
from clicksmith.features.amounts import MICROS, MICROS_PER_DAY
from clicksmith.tables import OUTCOMES, TRAINING_EXAMPLES

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

PASSED_ON = (
    "user_id",
    "item_id",
    "session_id",
    "request_id",
    "event_ts",
    "placement",
    "propensity",
    "item_category",
    "item_subcategory",
    "item_brand",
    "item_price",
    "item_num_purchases",
    "item_days_since_first",
    "is_cold_item",
    "user_age_band",
    "user_income_band",
    "user_household",
)
ADDED = (
    "user_num_events",
    "user_num_purchases_30d",
    "user_mean_price",
    "user_days_since_last",
    "user_category_share",
    "user_item_num_purchases",
    "user_item_days_since_last",
    *(f"label_{kind}" for kind in OUTCOMES),
    "is_cold_user",
)
_FIELDS = {field.name: field for field in TRAINING_EXAMPLES.arrow_schema}
SCHEMA = pa.schema([_FIELDS[name] for name in ("example_id", *PASSED_ON, *ADDED)])


class _Outcomes:
    """The outcomes of each asking row's group, by time.

    Args:
        group: of each row, from 0.
        moment: of each row, the rank of its time.
        outcomes: rows that are outcomes.
        asking: rows that ask.

    Attributes:
        rows: the outcomes, by group and time.
        start, now, stop: for each asking row, where in `rows` its group begins, its moment comes, and its
            group ends; what shares the moment comes after it.
    """

    def __init__(self, group: Ints, moment: Ints, outcomes: Ints, asking: Ints) -> None:
        self._bits = int(moment.max(initial=0)).bit_length()
        self._asked = group[asking]
        key = group << self._bits | moment
        self.rows = outcomes[np.argsort(key[outcomes], kind="stable")]
        self._keys = key[self.rows]
        self.start = self.position(np.zeros_like(self._asked))
        self.now = self.position(moment[asking])
        self.stop = np.searchsorted(self._keys, (self._asked + 1) << self._bits)

    def position(self, moment: Ints) -> Ints:
        """For each asking row, where in `rows` a moment comes in its group."""
        return np.searchsorted(self._keys, self._asked << self._bits | moment)

    def total(self, value: NDArray[np.generic], first: Ints, last: Ints) -> Ints:
        """The sum of a value of all rows over the outcomes at positions from first to before last."""
        sums = np.concatenate([[0], np.cumsum(value[self.rows], dtype=np.int64)])
        return np.asarray(sums[last] - sums[first])

    def before(self, value: NDArray[np.generic]) -> Ints:
        """The same over those before the moment."""
        return self.total(value, self.start, self.now)

    def days_since_last(self, us: Ints, asking: Ints) -> Floats:
        """Days from the last outcome before the moment, NaN where there is none."""
        last = us[self.rows[self.now - 1]] if len(self.rows) else np.zeros(len(asking), np.int64)
        days: Floats = np.where(self.now > self.start, (us[asking] - last) / MICROS_PER_DAY, np.nan)
        return days


def with_history(events: pa.Table, cut_us: int, test_us: int) -> pa.Table:
    """One row an impression, with its user's history strictly before it, and its labels.

    An outcome counts for an impression when it comes at or after it, in the same session and split, on the
    same item: no training label knows what came at or after the cut, however long a session lasts.

    Args:
        events: impressions and outcomes, all of a user that is present: event_id, event_type, `PASSED_ON`,
            and ``price_micros`` of purchases.
        cut_us: where validation begins; a user without any of them before it is cold.
        test_us: where test begins.

    Returns:
        Rows of `SCHEMA`, by user, time and id.
    """
    frame = pl.from_arrow(events)
    assert isinstance(frame, pl.DataFrame)
    frame = frame.with_columns(_user=number_texts(frame["user_id"])).sort("_user", "event_ts", "event_id")
    kind = {name: (frame["event_type"] == name).to_numpy() for name in OUTCOMES}
    is_outcome = np.logical_or.reduce(list(kind.values()))
    outcomes, asking = np.flatnonzero(is_outcome), np.flatnonzero(~is_outcome)
    us = frame["event_ts"].dt.epoch("us").to_numpy()
    moments, moment = np.unique(us, return_inverse=True)
    user = frame["_user"].to_numpy().astype(np.int64)
    item, category = (_numbers(frame[name]) for name in ("item_id", "item_category"))
    session = _numbers(frame["session_id"])
    split = np.searchsorted([cut_us, test_us], us, side="right")

    def of_group(*parts: Ints) -> _Outcomes:
        return _Outcomes(_combine(*parts), moment, outcomes, asking)

    by_user, by_item, by_category = of_group(user), of_group(user, item), of_group(user, category)
    # A number for both: to combine one more part would take another sort of all rows.
    in_session = of_group(user, 3 * session + split, item)
    month_ago = by_user.position(np.searchsorted(moments, us[asking] - 30 * MICROS_PER_DAY))
    num_events = by_user.now - by_user.start
    num_in_category = np.where(category[asking] > 0, by_category.now - by_category.start, 0)
    num_prices = by_user.before(frame["price_micros"].is_not_null().to_numpy())
    # Units and the rest apart: sums of micro-units could need more than 64 bits.
    units, rest = np.divmod(frame["price_micros"].fill_null(0).to_numpy(), MICROS)
    prices = by_user.before(units) * float(MICROS) + by_user.before(rest)
    with np.errstate(invalid="ignore"):
        mean_price = prices / num_prices / MICROS
        share = np.nan_to_num(num_in_category / num_events)
    added = {
        "user_num_events": num_events,
        "user_num_purchases_30d": by_user.total(kind["purchase"], month_ago, by_user.now),
        "user_mean_price": pl.Series(mean_price).fill_nan(None),
        "user_days_since_last": pl.Series(by_user.days_since_last(us, asking)).fill_nan(None),
        "user_category_share": share,
        "user_item_num_purchases": by_item.before(kind["purchase"]),
        "user_item_days_since_last": pl.Series(by_item.days_since_last(us, asking)).fill_nan(None),
        **{
            f"label_{name}": in_session.total(kind[name], in_session.now, in_session.stop) > 0
            for name in OUTCOMES
        },
        "is_cold_user": us[np.searchsorted(user, user[asking])] >= cut_us,
    }
    rows = (
        frame[asking]
        .rename({"event_id": "example_id"})
        .with_columns(
            **{
                name: value if isinstance(value, pl.Series) else pl.Series(value)
                for name, value in added.items()
            }
        )
    )
    return rows.select(SCHEMA.names).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(SCHEMA)


def _numbers(texts: pl.Series) -> Ints:
    """Each text's number from 1, 0 for null."""
    numbers = np.zeros(len(texts), np.int64)
    present = texts.is_not_null().to_numpy()
    numbers[present] = number_texts(texts.drop_nulls()).astype(np.int64) + 1
    return numbers


def _combine(first: Ints, *others: Ints) -> Ints:
    """A number from 0 for each combination."""
    numbers = first
    for other in others:
        numbers = np.unique(numbers * (int(other.max(initial=0)) + 1) + other, return_inverse=True)[1]
    return numbers
