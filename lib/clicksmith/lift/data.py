"""The rows of a lift measurement: real ones, each arm's own, and the test rows by segment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.config import ArmConfig, Config, LiftConfig
from clicksmith.errors import ConfigError
from clicksmith.evaluation.provenance import require_current
from clicksmith.generators.artefact import generator_id, trace_generator
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.lift.arms import Rows
from clicksmith.lift.difference import buckets
from clicksmith.lift.verdict import ALL_ROWS, Arm
from clicksmith.reading.guards import (
    require_both_classes,
    require_no_oracle,
    require_real,
    require_same_run,
    require_train_split,
)
from clicksmith.reading.inputs import (
    FEATURES,
    ID,
    ITEM,
    USER,
    Items,
    RankerCodec,
    require_rows,
    user_numbers,
)
from clicksmith.reading.snapshot import load_examples, load_table
from clicksmith.training.ranker import MAX_VALIDATION_ROWS

HISTORY, POPULARITY = "user_num_events", "item_num_purchases"


@dataclass(frozen=True)
class Data:
    """What all arms share.

    Attributes:
        codec: fitted on the real training rows.
        real: real training rows.
        tail: which of them are of rare items, shape (N,).
        test: real test rows; never anything else.
        users: a number for each test row's user, shape (M,).
        slices: test rows by segment.
        extra: rows of each synthetic arm.
        arms: the arms that can be measured, with the ratio as it came out.
        skipped: those that cannot, and why.
        undecidable: slices of too few users or rows for an interval, and why.
    """

    codec: RankerCodec
    real: Rows
    tail: NDArray[np.bool_]
    test: Rows
    users: NDArray[np.int64]
    slices: dict[str, NDArray[np.bool_]]
    extra: dict[str, Rows]
    arms: dict[str, Arm]
    skipped: dict[str, str]
    undecidable: dict[str, str]


def load(config: Config, examples: Snapshot, vocabulary: Snapshot, synthetic: Mapping[str, Snapshot]) -> Data:
    """Read and code the rows; the codec sees real training rows only.

    Raises:
        ConfigError: the ranker cannot be measured in this way.
        TrainingError: rows are too few, of one class only, or leak what is tested: see `guards`.
    """
    require_same_run(vocabulary, examples)
    if config.ranker.model == "din":
        raise ConfigError(
            "ranker.model is 'din', which reads users' histories: generated examples have none.",
            "Measure lift with ranker.model dcnv2, deepfm or logistic.",
        )
    label, lift = config.ranker.label, config.lift
    columns = [*FEATURES, ITEM, label]
    train = load_examples(examples, columns, "train", lift.max_rows)
    require_rows(train, "train", examples, 100)
    test = load_examples(examples, [*columns, USER, ID], "test", config.ranker.max_test_rows)
    require_rows(test, "test", examples, 100)
    require_real(test, USER, "test")
    codec = RankerCodec.fit(train, Items.load(vocabulary), config.ranker.oov_buckets)
    real = _rows(codec, train, label)
    require_both_classes(real.labels, label, examples)
    asked = load_examples(examples, columns, "validation", MAX_VALIDATION_ROWS)
    if asked.num_rows:
        later, limit = _rows(codec, asked, label), config.ranker.max_feature_auc
        require_no_oracle(real.codes, real.labels, later.codes, later.labels, codec.names, limit)
    tail = _numbers(train, POPULARITY) < lift.popularity_buckets[0]
    extra: dict[str, Rows] = {}
    arms: dict[str, Arm] = {}
    skipped: dict[str, str] = {}
    for name, arm in lift.arms.items():
        added = round(arm.ratio * train.num_rows)
        if arm.generator is not None:
            rows = _synthetic_rows(config, examples, synthetic.get(arm.generator), arm, columns, added)
            if rows is None or rows.num_rows == 0:
                skipped[name] = f"the gate published no rows of generator {arm.generator!r}"
                continue
            extra[name] = _rows(codec, rows, label)
            added = rows.num_rows
        elif arm.kind == "oversample_tail" and not tail.any():
            skipped[name] = f"no training row has an item with {POPULARITY} < {lift.popularity_buckets[0]}"
            continue
        arms[name] = Arm(arm.kind, added / train.num_rows)
    slices = {
        ALL_ROWS: np.ones(test.num_rows, bool),
        **buckets(_numbers(test, HISTORY), lift.history_buckets, "history"),
        **buckets(_numbers(test, POPULARITY), lift.popularity_buckets, "popularity"),
    }
    tested, users = _rows(codec, test, label), user_numbers(test)
    return Data(
        codec=codec,
        real=real,
        tail=tail,
        test=tested,
        users=users,
        slices=slices,
        extra=extra,
        arms=arms,
        skipped=skipped,
        undecidable=undecidable_slices(slices, tested.labels, users, lift),
    )


def undecidable_slices(
    slices: Mapping[str, NDArray[np.bool_]],
    labels: NDArray[np.bool_],
    users: NDArray[np.int64],
    lift: LiftConfig,
) -> dict[str, str]:
    """Slices of too few users, or of too few rows of a class, and why.

    An interval by resampling users is too narrow where these are few: of 95 % it covers less.
    """
    found = {}
    for name, mask in slices.items():
        num_users, positives = len(np.unique(users[mask])), int(labels[mask].sum())
        rarer = min(positives, int(mask.sum()) - positives)
        if num_users < lift.min_users or rarer < lift.min_positives:
            found[name] = (
                f"{num_users:,} users with {rarer:,} rows of the rarer outcome were tested, where an "
                f"interval needs {lift.min_users:,} and {lift.min_positives:,}"
            )
    return found


def _synthetic_rows(
    config: Config,
    examples: Snapshot,
    snapshot: Snapshot | None,
    arm: ArmConfig,
    columns: Sequence[str],
    max_rows: int,
) -> pa.Table | None:
    """Rows of a generator, the first ones by hash of their sample id."""
    if snapshot is None or arm.generator is None:
        return None
    names = [*columns, "split", "generator_id"]
    rows = load_table(snapshot, names, {"generator": arm.generator}, max_rows)
    require_train_split(rows, snapshot)
    current = generator_id(arm.generator, trace_generator(config, arm.generator, examples))
    require_current(pc.unique(rows.column("generator_id")).to_pylist(), current, snapshot, examples)
    return rows


def _rows(codec: RankerCodec, rows: pa.Table, label: str) -> Rows:
    return Rows(codec.encode(rows), rows.column(label).to_numpy().astype(bool))


def _numbers(rows: pa.Table, column: str) -> NDArray[np.int64]:
    return np.asarray(rows.column(column).to_numpy(), np.int64)
