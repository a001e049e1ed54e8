"""The task of ranking: the configured ranker, on the outcome of impressions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from ray import tune
from ray.tune.search.sample import Domain

from clicksmith.config import ArmConfig, Config
from clicksmith.errors import ConfigError
from clicksmith.evaluation.metrics import ranking
from clicksmith.evaluation.provenance import require_current
from clicksmith.generators.artefact import generator_id
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.lakehouse.steps import trace_generator
from clicksmith.lift.kinds.arms import HISTORY, Stock, added_rows, chosen_rows, is_rare
from clicksmith.lift.kinds.roles import CEILINGS, missing_copies, no_row, role_of, too_few_fits
from clicksmith.lift.kinds.segments import large_enough, segments_of
from clicksmith.lift.statistics import figures
from clicksmith.lift.statistics.figures import Figure
from clicksmith.lift.task import TUNED, Arm, Metric, Split, Training, Units
from clicksmith.reading.examples import (
    POPULARITY,
    ExampleCoder,
    Examples,
    Splits,
    columns_of,
    read_splits,
)
from clicksmith.reading.guards import require_train_split
from clicksmith.reading.snapshot import load_examples, load_table
from clicksmith.seeds import derive_seed
from clicksmith.training.ranker import RankerTask, ranker_task
from clicksmith.training.runs import fit_here

NAME = "ranking"


@dataclass(frozen=True)
class RankingTask:
    """See `task.Task`.

    Attributes:
        config: of the ranker and the seeds.
        configured: the arms, and copies in ratios that lacked them.
        splits: real rows.
        stock: what arms take rows from.
        settings: see `tuning.Tunable`.
    """

    config: Config
    configured: Mapping[str, ArmConfig]
    splits: Splits
    stock: Stock
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
        num_steps = self.config.ranker.num_steps
        return {
            "learning_rate": tune.loguniform(3e-4, 2e-2),
            "embedding_dim": tune.choice([4, 8, 16, 32]),
            "num_steps": tune.choice([num_steps // 2 or 1, num_steps, 2 * num_steps]),
        }

    def control(self, settings: Mapping[str, Any], seed: int) -> RankerTask:
        """See `tuning.Tunable`."""
        return ranker_task(self.config.ranker.model_copy(update=dict(settings)), self.splits, seed)

    @property
    def model(self) -> str:
        """The network's name."""
        return self.config.ranker.model

    @property
    def metrics(self) -> dict[str, Metric]:
        """AUC decides; probabilities must not be damaged."""
        rules = self.config.lift.ranking
        return {"auc": Metric(1, rules.margin), "logloss": Metric(-1, rules.logloss_margin)}

    @property
    def worthwhile(self) -> float:
        """Of AUC."""
        return self.config.lift.ranking.worthwhile

    def train(self, training: Training) -> dict[Split, NDArray[np.float32]]:
        """Probabilities of each split's rows, shape (1, N)."""
        arm = self.configured[training.arm]
        settings = self.settings if arm.kind == TUNED else {}
        config = self.config.ranker.model_copy(update=dict(settings))
        seed = derive_seed(self.config.seed, "lift", NAME, training.arm, training.fit, training.seed)
        first = derive_seed(self.config.seed, "lift", NAME, "weights", training.seed)
        added = added_rows(arm, self.stock, training.fit, derive_seed(seed, "rows"), config, self.splits)
        task = ranker_task(config, self.splits, seed, added, first)
        fit_here(task)
        return {split: task.score(self._rows(split))[None] for split in self.units}

    def figure(self, metric: str, split: Split, said: NDArray[np.float32], segment: str) -> Figure:
        """AUC or log loss."""
        mask = self.units[split].segments[segment]
        scores, labels = said[0][mask], self._rows(split).labels[mask]
        if metric == "auc":
            return figures.auc(scores, labels)
        return figures.mean(ranking.log_losses(scores, labels))

    def _rows(self, split: Split) -> Examples:
        rows = self.splits.validation if split == "validation" else self.splits.test
        assert rows is not None
        return rows


def ranking_task(
    config: Config,
    examples: Snapshot,
    vocabulary: Snapshot,
    synthetic: Mapping[str, Mapping[str, Snapshot]],
) -> RankingTask:
    """Read and code the rows of all arms.

    Args:
        config: its sections lift and ranker.
        examples: gold.training_examples.
        vocabulary: gold.vocabulary.
        synthetic: gold.synthetic_examples of each published fit, by the generator's and the fit's name.

    Raises:
        ConfigError: the ranker cannot be measured in this way.
        TrainingError: rows are too few, of one class only, stale or leak what is tested: see `guards`.
    """
    if config.ranker.model == "din":
        raise ConfigError(
            "ranker.model is 'din', which reads users' histories: generated examples have none.",
            "Measure lift with ranker.model dcnv2, deepfm or logistic.",
        )
    lift = config.lift
    splits = read_splits(config.ranker, examples, vocabulary, max_rows=lift.max_rows)
    generated = {
        name: tuple(
            generated_rows(config, fit, rows, examples, splits.coder, _most(config, name))
            for fit, rows in fits.items()
        )
        for name, fits in synthetic.items()
    }
    unseen = _unseen(config, splits, examples)
    stock = Stock(splits.train, unseen, is_rare(splits.train, splits.train), generated)
    units: dict[Split, Units] = {"test": units_of(splits.test, lift.min_users)}
    untuned = _no_validation(splits.validation)
    if splits.validation is not None and not untuned:
        units["validation"] = units_of(splits.validation, lift.min_users)
    arms, skipped = _arms(config, stock, untuned)
    copies = missing_copies(arms, lift.arms)
    arms |= {name: Arm(arm.kind, role_of(arm), _ratio(arm, stock)) for name, arm in copies.items()}
    facts = {
        "label": config.ranker.label,
        "num_steps": config.ranker.num_steps,
        "num_real_rows": len(stock.real),
    }
    configured = {**lift.arms, **copies}
    return RankingTask(config, configured, splits, stock, arms, skipped, units, facts=facts)


def _most(config: Config, generator: str) -> int:
    """Rows of a generator that any arm may want: where it chooses among them, all that are published."""
    arms = [arm for arm in config.lift.arms.values() if arm.generator == generator]
    ratio = max(arm.ratio if arm.only is None else config.synthesis.ratio for arm in arms)
    return round(ratio * config.lift.max_rows)


def generated_rows(
    config: Config, fit: str, snapshot: Snapshot, examples: Snapshot, coder: ExampleCoder, max_rows: int
) -> Examples:
    """A fit's published rows, the first ones by hash of their sample id.

    Raises:
        TrainingError: they claim to be of another split, or their generator learnt from another table.
    """
    columns = [*columns_of(config.ranker), "split", "generator_id"]
    rows = load_table(snapshot, columns, {"generator": fit}, max_rows)
    require_train_split(rows, snapshot)
    current = generator_id(fit, trace_generator(config, fit, examples))
    require_current(pc.unique(rows.column("generator_id")).to_pylist(), current, snapshot, examples)
    return coder(rows)


def _unseen(config: Config, splits: Splits, examples: Snapshot) -> Examples:
    """Real training rows beyond the control's, as many as the ceilings may want."""
    lift, seen = config.lift, len(splits.train)
    ratios = [arm.ratio for arm in lift.arms.values() if arm.kind == "real_more"]
    wanted = round(max(ratios, default=0.0) * seen)
    if any(arm.kind == "real_all" for arm in lift.arms.values()):
        wanted = max(wanted, config.ranker.max_rows - seen)
    rows = load_examples(examples, columns_of(config.ranker), "train", seen + max(0, wanted))
    return splits.coder(rows.slice(seen))


def _no_validation(rows: Examples | None) -> str:
    """Why validation rows can neither choose nor tune; empty where they can."""
    if rows is None:
        return "there are no validation rows to tune by"
    if len(np.unique(rows.labels)) < 2:
        return "all validation rows have the same outcome, which nothing can be tuned by"
    return ""


def _arms(config: Config, stock: Stock, untuned: str) -> tuple[dict[str, Arm], dict[str, str]]:
    """What can be measured, with the ratio as it comes out, and what cannot, and why."""
    arms, skipped = {}, {}
    for name, arm in config.lift.arms.items():
        wanted = 1 if arm.generator is None else len(config.fits_of(arm.generator))
        reason = _lacking(arm, stock, wanted, untuned)
        if reason:
            skipped[name] = reason
            continue
        preset = None if arm.generator is None else config.generators[arm.generator].preset
        fits = 1 if arm.generator is None else len(stock.generated[arm.generator])
        arms[name] = Arm(arm.kind, role_of(arm, preset), _ratio(arm, stock), fits)
    return arms, skipped


def _lacking(arm: ArmConfig, stock: Stock, num_fits: int, untuned: str) -> str:
    if arm.kind == TUNED:
        return untuned
    if why := no_row(arm, len(stock.real)):
        return why
    if arm.generator is not None:
        fits = [len(fit) for fit in stock.generated.get(arm.generator, ())]
        if why := too_few_fits(arm.generator, fits, num_fits):
            return why
        if not _fewest(arm, stock):
            return f"generator {arm.generator!r} published no rows of {arm.only}"
    if arm.kind in CEILINGS and not len(stock.unseen):
        return "there are no more real training rows than the control has"
    return ""


def _ratio(arm: ArmConfig, stock: Stock) -> float:
    """Added rows a real row, as it comes out."""
    there: float = arm.ratio * len(stock.real)
    if arm.generator is not None:
        there = min(there, _fewest(arm, stock))
    elif arm.kind == "reweight":
        there = float(stock.rare["rare_outcome"].sum()) * (arm.weight - 1.0)
    elif arm.kind == "real_all":
        there = len(stock.unseen)
    elif arm.kind == "real_more":
        there = min(there, len(stock.unseen))
    return round(there) / len(stock.real)


def _fewest(arm: ArmConfig, stock: Stock) -> int:
    """Rows that an arm may take, of the fit that has the fewest."""
    assert arm.generator is not None
    return min(len(chosen_rows(arm, rows, stock.real)) for rows in stock.generated[arm.generator])


def units_of(rows: Examples, min_users: int) -> Units:
    """Rows that are asked, with their users, items and segments."""
    facts = rows.facts
    told_by = {
        "history": facts[HISTORY],
        "popularity": facts[POPULARITY],
        "cold_user": facts["is_cold_user"],
        "cold_item": facts["is_cold_item"],
        "category": facts["item_category"],
    }
    clusters = (rows.users, rows.items)
    segments, small = large_enough(segments_of(told_by), clusters, min_users, "users", rows.labels)
    rarer = {
        name: int(min(rows.labels[mask].sum(), (~rows.labels[mask]).sum())) for name, mask in segments.items()
    }
    return Units(clusters, segments, rarer, small)
