"""The task of the next item: the configured sequence model, ranking all items for each user."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from ray import tune
from ray.tune.search.sample import Domain

from clicksmith.config import ArmConfig, Config, SequentialConfig
from clicksmith.errors import TrainingError
from clicksmith.evaluation.metrics.recommendations import Recommended
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.lift.kinds.generated import Chosen, generated_stock, takes_rare
from clicksmith.lift.kinds.roles import CEILINGS, missing_copies, real_arms, role_of
from clicksmith.lift.kinds.segments import large_enough, segments_of
from clicksmith.lift.statistics import figures
from clicksmith.lift.statistics.figures import Figure
from clicksmith.lift.task import TUNED, Arm, Metric, Split, Training, Units
from clicksmith.reading.next_items import K, NextItems, popularity_scores
from clicksmith.reading.sequences import SequenceRows, read_sequences
from clicksmith.seeds import derive_seed
from clicksmith.training.engine.supervised import rows_of_step
from clicksmith.training.runs import fit_here
from clicksmith.training.sequential import SequentialTask, sequential_task

NAME = "next_item"
METRICS = (f"ndcg@{K}", f"recall@{K}", f"mrr@{K}", f"novelty@{K}")
COVERAGE = f"coverage@{K}"
NO_MORE = "there are no more real training users than the control has"
T = TypeVar("T")
UNTUNED = "there is nobody to tune by in the validation split"


@dataclass(frozen=True)
class NextItemTask:
    """See `task.Task`.

    Attributes:
        config: of the model, the arms and the seeds.
        rows: users' sequences, those that the control lacks included, and what is asked.
        num_real: of its training users, the first so many are the control's.
        tail: which of these took items that are rare as of the cut, shape (num_real,).
        configured: the arms, and copies in ratios that lacked them.
        chosen: generated sequences that an arm may take, of each fit, by the arm's name.
        settings: see `tuning.Tunable`.
    """

    config: Config
    rows: SequenceRows
    num_real: int
    tail: NDArray[np.bool_]
    configured: Mapping[str, ArmConfig]
    chosen: Chosen
    arms: Mapping[str, Arm]
    skipped: Mapping[str, str]
    units: Mapping[Split, Units]
    name: str = NAME
    unit: str = "users"
    facts: Mapping[str, object] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def space(self) -> dict[str, Domain]:
        """See `tuning.Tunable`."""
        num_steps = self.config.sequential.num_steps
        return {
            "learning_rate": tune.loguniform(5e-4, 1e-2),
            "dropout": tune.choice([0.1, 0.2, 0.4]),
            "num_steps": tune.choice([num_steps // 2 or 1, num_steps, 2 * num_steps]),
        }

    def control(self, settings: Mapping[str, Any], seed: int) -> SequentialTask:
        """See `tuning.Tunable`."""
        config = self.config.sequential.model_copy(update=dict(settings))
        real = self.rows.train.slice(0, self.num_real)
        return sequential_task(config, self.rows, self.rows.windows(real), seed)

    @property
    def model(self) -> str:
        """The network's name."""
        return self.config.sequential.model

    @property
    def metrics(self) -> dict[str, Metric]:
        """NDCG decides; recall must not suffer from it. The others are told."""
        rules = self.config.lift.next_item
        margins = {METRICS[0]: rules.margin, METRICS[1]: rules.recall_margin}
        return {name: Metric(1, margins.get(name)) for name in (*METRICS, COVERAGE)}

    @property
    def worthwhile(self) -> float:
        """Of NDCG."""
        return self.config.lift.next_item.worthwhile

    def train(self, training: Training) -> dict[Split, NDArray[np.float32]]:
        """Each user's figures, in the order of `METRICS`, then the items of the list: shape (4 + K, U)."""
        arm = self.configured[training.arm]
        seed = derive_seed(self.config.seed, "lift", NAME, training.arm, training.fit, training.seed)
        first = derive_seed(self.config.seed, "lift", NAME, "weights", training.seed)
        fits = self.chosen.get(training.arm)
        made = None if fits is None else fits[training.fit]
        draw = derive_seed(seed, "rows")
        rows = training_rows(arm, self.rows.train, self.num_real, self.tail, draw, made)
        settings = self.settings if arm.kind == TUNED else {}
        config = settings_of(arm, self.config.sequential).model_copy(update=dict(settings))
        task = sequential_task(config, self.rows, self.rows.windows(rows), seed, weights_seed=first)
        fit_here(task)
        return {split: self._said(task.network, self.rows.evaluation[split]) for split in self.units}

    def figure(self, metric: str, split: Split, said: NDArray[np.float32], segment: str) -> Figure:
        """A mean over users; of the lists together, the share of all items that are in one."""
        mask = self.units[split].segments[segment]
        if metric == COVERAGE:
            shown = np.unique(said[len(METRICS) :, mask])
            return figures.whole((shown > 0).sum() / max(1, len(self.rows.items) - 1), int(mask.sum()))
        return figures.mean(said[METRICS.index(metric)][mask])

    def _said(self, network: Any, asked: NextItems) -> NDArray[np.float32]:
        found = asked.recommend(network, K, self.config.sequential.filter_viewed)
        novelty = novelty_by_user(found, popularity_scores(self.rows.items))
        of_users = np.stack([found.ndcg, found.recall, found.reciprocal_rank, novelty])
        return np.concatenate([of_users, found.items.T]).astype(np.float32)  # exact up to 2^24 items


def novelty_by_user(found: Recommended, num_events: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean self-information of each user's list in bits, see `Recommended.novelty`; 0 for an empty list."""
    bits = -np.log2(np.maximum(num_events, 1) / num_events[1:].sum())
    is_item = found.items > 0
    return np.asarray((bits[found.items] * is_item).sum(1) / np.maximum(is_item.sum(1), 1))


def training_rows(
    arm: ArmConfig,
    train: pa.Table,
    num_real: int,
    tail: NDArray[np.bool_],
    seed: int,
    generated: pa.Table | None = None,
) -> pa.Table:
    """The users whose sequences an arm trains on.

    Args:
        arm: the arm.
        train: rows of gold.sequences, the control's first.
        num_real: of these.
        tail: which of the control's users took rare items, shape (num_real,).
        seed: of the draw.
        generated: sequences that the arm may take, with the columns of `train`.
    """
    real, unseen = train.slice(0, num_real), train.slice(num_real)
    wanted = round(arm.ratio * num_real)
    if arm.kind == "real_all":
        return train
    if arm.kind == "real_more":
        return pa.concat_tables([real, unseen.slice(0, wanted)])
    if generated is not None:
        drawn = rows_of_step(generated.num_rows, min(wanted, generated.num_rows), 0, seed)
        return pa.concat_tables([real, generated.take(drawn)])
    pool = {"oversample_tail": np.flatnonzero(tail)}.get(arm.kind, np.arange(num_real))
    if arm.kind not in ("duplicate", "oversample_tail", "shuffled") or not len(pool):
        return real
    added = real.take(pool[rows_of_step(len(pool), wanted, 0, seed)])
    if arm.kind == "shuffled":
        added = _shuffled(added, np.random.default_rng(seed))
    return pa.concat_tables([real, added])


def _shuffled(rows: pa.Table, random: np.random.Generator) -> pa.Table:
    """The same items, handed out to the users at random: what follows what says nothing."""
    lists = rows.column("item_ids").combine_chunks()
    flat = pc.list_flatten(lists)
    mixed = flat.take(pa.array(random.permutation(len(flat))))
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    values = pa.ListArray.from_arrays(offsets, mixed)
    return rows.set_column(rows.column_names.index("item_ids"), "item_ids", values)


def settings_of(arm: ArmConfig, config: SequentialConfig) -> SequentialConfig:
    """The model's settings in an arm."""
    if arm.kind != "augmentation":
        return config
    return config.model_copy(update={"augmentations": arm.operations})


def next_item_task(
    config: Config,
    inputs: Mapping[str, Snapshot],
    synthetic: Mapping[str, Mapping[str, Snapshot]] | None = None,
) -> NextItemTask:
    """Read the users of all arms.

    Args:
        config: its sections lift and sequential.
        inputs: see `steps.sequential_inputs`.
        synthetic: gold.synthetic_sequences of each published fit, by the generator's and the fit's name.

    Raises:
        TrainingError: there are no users to train on or to ask, or rows are stale: see `read_sequences`.
    """
    rules = config.lift.next_item
    wants_more = any(arm.kind in CEILINGS for arm in rules.arms.values())
    users = rules.max_all_users if wants_more else rules.max_users
    rows = read_sequences(config.sequential, inputs, users, rules.max_asked)
    num_real = min(rules.max_users, rows.train.num_rows)
    real = rows.train.slice(0, num_real)
    tail = takes_rare(real, real, rows.vocabulary)
    num_more = rows.train.num_rows - num_real
    lacking = {
        **dict.fromkeys(CEILINGS, "" if num_more else NO_MORE),
        "oversample_tail": "" if tail.any() else "no training user took mostly rare items",
        TUNED: "" if len(rows.evaluation["validation"]) else UNTUNED,
    }
    arms, skipped = real_arms(rules.arms, num_real, num_more, lacking)
    chosen, more, lacked = generated_stock(
        config, synthetic or {}, inputs["sequences"], real, rows.vocabulary
    )
    arms, skipped = _in_order(rules.arms, arms | more), _in_order(rules.arms, skipped | lacked)
    copies = missing_copies(arms, rules.arms)
    arms |= {name: Arm(arm.kind, role_of(arm), arm.ratio) for name, arm in copies.items()}
    splits: tuple[Split, Split] = ("test", "validation")
    units = {
        split: units_of(
            rows.evaluation[split], rows.taken[split], rows.vocabulary.num_outcomes, config.lift.min_users
        )
        for split in splits
        if len(rows.evaluation[split])
    }
    if "test" not in units:
        raise TrainingError(
            f"Nobody in {rows.source.uri} has known items both before the test split and in it.",
            "Ingest users who come back, or move features.cut_fraction.",
        )
    facts = {"num_steps": config.sequential.num_steps, "num_real_rows": num_real}
    configured = {**rules.arms, **copies}
    return NextItemTask(config, rows, num_real, tail, configured, chosen, arms, skipped, units, facts=facts)


def _in_order(configured: Mapping[str, ArmConfig], found: Mapping[str, T]) -> dict[str, T]:
    """By name, in the order of the configuration."""
    return {name: found[name] for name in configured if name in found}


def units_of(
    asked: NextItems,
    taken: Sequence[NDArray[np.int64]],
    num_outcomes: NDArray[np.int64],
    min_users: int,
) -> Units:
    """Users who are asked, each with the item asked for, and their segments.

    Args:
        asked: the U users.
        taken: of each, the items that are asked for, by number; see `SequenceRows.taken`.
        num_outcomes: training outcomes of each number, with or without a vector of the model, shape (W + 1,).
        min_users: see `large_enough`.
    """
    facts = {
        "history": np.array([len(prefix) for prefix in asked.prefixes]),
        "popularity": np.array([np.median(num_outcomes[items]) for items in taken]).astype(np.int64),
        "unknown_item": np.array([bool((items == 0).any()) for items in taken]),
    }
    clusters = (np.arange(len(asked)), items_asked_for(taken, num_outcomes))
    segments, small = large_enough(segments_of(facts), clusters, min_users, "users")
    return Units(clusters, segments, {}, small)


def items_asked_for(taken: Sequence[NDArray[np.int64]], num_outcomes: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number of the item that each user is asked for, shape (U,), for what users of one item share.

    Of several items the most popular one: it is asked of the most other users, and an interval that is too
    wide says less, one that is too narrow what is not so. Items that are in no vocabulary are not known to be
    the same: a user who took no other shares theirs with nobody.

    Args:
        taken: see `units_of`.
        num_outcomes: likewise.
    """
    known = [items[items > 0] for items in taken]
    numbers = [
        items[np.argmax(num_outcomes[items])] if len(items) else -1 - user for user, items in enumerate(known)
    ]
    return np.array(numbers, np.int64)
