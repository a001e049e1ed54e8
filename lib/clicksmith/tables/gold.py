"""gold: profiles, training examples, sequences, vocabulary and their synthetic twins."""

import pyarrow as pa

from clicksmith.tables.schema import TIMESTAMP, Column, Table, columns

SPLITS = ("train", "validation", "test")

WINDOWS = (1, 7, 30, 90)
"""Days before as_of_ts."""

_WHOLE = (
    "replaced as a whole, read as a whole: a cluster key would save nothing, a change feed list every row"
)
_BY_SPLIT = "training reads one split"
_BY_GENERATOR = "a generator replaces its own rows and no others"

USER_PROFILES = Table(
    name="gold.user_profiles",
    columns=columns(
        Column("user_id", pa.string()),
        Column("as_of_ts", TIMESTAMP, doc="only events strictly before it are counted"),
        Column("age_band", pa.string(), nullable=True),
        Column("gender", pa.string(), nullable=True),
        Column("income_band", pa.string(), nullable=True),
        Column("household", pa.string(), nullable=True),
        Column("num_sessions", pa.int64(), minimum=0),
        Column("num_impressions", pa.int64(), minimum=0),
        Column("num_clicks", pa.int64(), minimum=0),
        Column("num_purchases", pa.int64(), minimum=0),
        Column("num_distinct_items", pa.int64(), minimum=0),
        Column(
            "days_since_last",
            pa.float64(),
            nullable=True,
            minimum=0.0,
            doc="days; any event but an impression",
        ),
        *(
            Column(f"num_outcomes_{days}d", pa.int64(), minimum=0, doc="clicks, carts and purchases")
            for days in WINDOWS
        ),
        Column("total_spend", pa.float64(), minimum=0.0),
        Column("mean_price", pa.float64(), nullable=True, doc="of purchases"),
        Column("price_band", pa.string(), nullable=True, allowed=("low", "middle", "high")),
        Column("favourite_category", pa.string(), nullable=True),
        Column("category_mix", pa.string(), nullable=True, doc="JSON: category to share, five largest"),
    ),
    key=("user_id",),
    layout=_WHOLE,
    doc="a user as of the cut",
)

ITEM_PROFILES = Table(
    name="gold.item_profiles",
    columns=columns(
        Column("item_id", pa.string()),
        Column("as_of_ts", TIMESTAMP),
        Column("title", pa.string(), nullable=True),
        Column("category", pa.string(), nullable=True),
        Column("subcategory", pa.string(), nullable=True),
        Column("brand", pa.string(), nullable=True),
        Column("mean_price", pa.float64(), nullable=True, doc="of purchases, else the catalogue's"),
        Column("num_impressions", pa.int64(), minimum=0),
        Column("num_clicks", pa.int64(), minimum=0),
        Column("num_purchases", pa.int64(), minimum=0),
        Column("num_users", pa.int64(), minimum=0, doc="distinct purchasers or clickers, to some 2 %"),
        *(Column(f"num_impressions_{days}d", pa.int64(), minimum=0) for days in WINDOWS),
        *(Column(f"num_purchases_{days}d", pa.int64(), minimum=0) for days in WINDOWS),
        Column("conversion", pa.float64(), nullable=True, doc="smoothed, weighted by 1/propensity"),
        Column("days_since_first", pa.float64(), nullable=True, minimum=0.0),
        Column("days_since_last", pa.float64(), nullable=True, minimum=0.0),
        Column("popularity_rank", pa.int64(), nullable=True, minimum=1, doc="1 is the most purchased"),
    ),
    key=("item_id",),
    layout=_WHOLE,
    doc="an item as of the cut",
)

# A user's profile: what a row tells of its user, whatever the item.
USER_COLUMNS = columns(
    Column("user_age_band", pa.string(), nullable=True),
    Column("user_income_band", pa.string(), nullable=True),
    Column("user_household", pa.string(), nullable=True),
    Column(
        "user_num_events", pa.int64(), minimum=0, doc="clicks, carts and purchases before; the history length"
    ),
    Column("user_num_purchases_30d", pa.int64(), minimum=0),
    Column("user_mean_price", pa.float64(), nullable=True, minimum=0.0),
    Column("user_days_since_last", pa.float64(), nullable=True, minimum=0.0),
)

# What a generator learns and a ranker reads. All of it was known before the impression.
FEATURE_COLUMNS = columns(
    Column("placement", pa.string(), nullable=True),
    Column("hour_of_day", pa.int32(), minimum=0, maximum=23),
    Column("day_of_week", pa.int32(), minimum=1, maximum=7, doc="1 is Monday"),
    USER_COLUMNS,
    Column("item_category", pa.string(), nullable=True),
    Column("item_subcategory", pa.string(), nullable=True),
    Column("item_brand", pa.string(), nullable=True, doc="frequent ones by name, the rest as 'other'"),
    Column("item_price", pa.float64(), nullable=True, minimum=0.0, doc="mean price before"),
    Column("item_num_purchases", pa.int64(), minimum=0, doc="before; its popularity"),
    Column("item_days_since_first", pa.float64(), nullable=True, minimum=0.0),
    Column(
        "user_category_share",
        pa.float64(),
        minimum=0.0,
        maximum=1.0,
        doc="of the user's events in the category",
    ),
    Column("user_item_num_purchases", pa.int64(), minimum=0),
    Column("user_item_days_since_last", pa.float64(), nullable=True, minimum=0.0),
)

LABEL_COLUMNS = columns(
    Column("label_click", pa.bool_()),
    Column("label_cart", pa.bool_()),
    Column("label_purchase", pa.bool_()),
)

COLD_COLUMNS = columns(
    Column("is_cold_user", pa.bool_(), doc="nothing of the user lies before the cut"),
    Column("is_cold_item", pa.bool_(), doc="nothing of the item lies before the cut"),
)

WEIGHT_COLUMNS = columns(
    Column(
        "propensity",
        pa.float64(),
        nullable=True,
        minimum=0.0,
        maximum=1.0,
        doc="probability with which the row was logged, kept or drawn; null means 1",
    ),
    Column("sample_weight", pa.float64(), minimum=0.0, doc="1/propensity, capped"),
    Column("split", pa.string(), allowed=SPLITS),
)

TRAINING_EXAMPLES = Table(
    name="gold.training_examples",
    columns=columns(
        Column("example_id", pa.string(), doc="the impression's event_id"),
        Column("user_id", pa.string(), nullable=True),
        Column("item_id", pa.string()),
        Column("session_id", pa.string(), nullable=True),
        Column("request_id", pa.string(), nullable=True),
        Column("event_ts", TIMESTAMP, doc="of the impression"),
        FEATURE_COLUMNS,
        LABEL_COLUMNS,
        COLD_COLUMNS,
        WEIGHT_COLUMNS,
    ),
    key=("example_id",),
    partition_by=("split",),
    layout="training reads one split; users lie together, so that its files are alike",
    doc="an impression with its outcome",
)

# What is measured of generated examples: what is generated, and the item that a row is given.
JUDGED_COLUMNS = columns(FEATURE_COLUMNS, LABEL_COLUMNS, TRAINING_EXAMPLES["item_id"])

SEQUENCES = Table(
    name="gold.sequences",
    columns=columns(
        Column("user_id", pa.string()),
        Column("item_ids", pa.list_(pa.string()), doc="clicks, carts and purchases, oldest first"),
        Column("event_types", pa.list_(pa.string())),
        Column("event_ts", pa.list_(TIMESTAMP)),
        Column("split", pa.string(), allowed=SPLITS),
    ),
    key=("user_id", "split"),
    partition_by=("split",),
    layout=_BY_SPLIT,
    doc="a user's events within a split's time span",
)

SEARCH_PAIRS = Table(
    name="gold.search_pairs",
    columns=columns(
        Column("query", pa.string(), doc="in lower case, with single spaces"),
        Column("item_id", pa.string()),
        Column("grade", pa.int32(), minimum=0, maximum=3, doc="0 shown, 1 clicked, 2 in the cart, 3 bought"),
        Column("num_impressions", pa.int64(), minimum=1, doc="requests that showed the item for the query"),
        Column("num_clicks", pa.int64(), minimum=0, doc="of these"),
        Column("num_carts", pa.int64(), minimum=0),
        Column("num_purchases", pa.int64(), minimum=0),
        Column("mean_position", pa.float64(), nullable=True, minimum=0.0),
        Column("source", pa.string(), doc="log"),
        Column("split", pa.string(), allowed=SPLITS),
    ),
    key=("query", "item_id", "split"),
    partition_by=("split",),
    layout=_BY_SPLIT,
    doc="an item that was shown for a query",
)

VOCABULARY = Table(
    name="gold.vocabulary",
    columns=columns(
        Column("field", pa.string(), doc="what is indexed, e.g. item_id"),
        Column("value", pa.string()),
        Column("index", pa.int64(), minimum=1, doc="0 is kept for padding, missing and unknown values"),
        Column("num_events", pa.int64(), minimum=1, doc="before the cut"),
        Column("num_outcomes", pa.int64(), minimum=0, doc="clicks, carts and purchases among them"),
    ),
    key=("field", "value"),
    layout="a row an id: read as a whole",
    doc="an id and its index, by falling frequency in training rows, ties by a hash",
)

RECOMMENDATIONS = Table(
    name="gold.recommendations",
    columns=columns(
        Column("user_id", pa.string()),
        Column("rank", pa.int32(), minimum=1, doc="1 is the best"),
        Column("item_id", pa.string()),
        Column("is_cold_user", pa.bool_(), doc="no known item: the list is the most popular items"),
        Column("model_id", pa.string(), doc="the model's name and run: its folder"),
    ),
    key=("user_id", "rank"),
    layout=_WHOLE,
    doc="an item recommended to a user",
)

PROVENANCE_COLUMNS = columns(
    Column("sample_id", pa.string(), doc="generator_id and row number"),
    Column("row_id", pa.int64(), minimum=0),
    Column("run_id", pa.string()),
    Column("generator_id", pa.string()),
    Column("generator", pa.string(), doc="the generator's name in the configuration"),
)


def _generated(name: str, twin: Table, doc: str) -> Table:
    """A table of generated rows, with the contract of their real twin."""
    return Table(
        name=name,
        columns=columns(PROVENANCE_COLUMNS, twin.columns),
        key=("sample_id",),
        partition_by=("generator",),
        layout=_BY_GENERATOR,
        doc=doc,
    )


SYNTHETIC_CANDIDATES = _generated(
    "gold.synthetic_candidates",
    TRAINING_EXAMPLES,
    "a generated training example that waits for the gate: no user, session or request; split is train",
)

SYNTHETIC_EXAMPLES = _generated(
    "gold.synthetic_examples",
    TRAINING_EXAMPLES,
    "a generated training example whose generator passed the gate",
)

SYNTHETIC_SEQUENCE_CANDIDATES = _generated(
    "gold.synthetic_sequence_candidates",
    SEQUENCES,
    "a generated sequence that waits for the gate: its user is the sample; split is train",
)

SYNTHETIC_SEQUENCES = _generated(
    "gold.synthetic_sequences",
    SEQUENCES,
    "a generated sequence whose generator passed the gate",
)
