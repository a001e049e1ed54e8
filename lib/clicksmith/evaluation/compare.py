"""All figures of one generator, each beside its ceiling: the same figure of real holdout rows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from clicksmith.errors import ContractError
from clicksmith.evaluation import attacks, figures
from clicksmith.evaluation.figures import Figures, Taught
from clicksmith.evaluation.quality import fidelity, utility
from clicksmith.evaluation.rows import Metric
from clicksmith.evaluation.samples.sample import Coding, Sample, columns_of
from clicksmith.evaluation.samples.space import Space
from clicksmith.seeds import derive_seed, hash_buckets
from clicksmith.tables import Column

MIN_ROWS = 50
MIN_SHOWN_USERS = 2
"""Learnt from: a single one says nothing of others, and has no interval."""
MIN_USERS = 4
"""Held out: half of them stand in for generated rows, a quarter is attacked, a quarter is the reference."""


@dataclass(frozen=True)
class Sides:
    """The rows that a generator's own are held against, each in hash order or any other random one.

    Attributes:
        train: rows that it was trained on.
        holdout: rows that it never saw.
        size: how many of each, and of its own, the fidelity figures take: these depend on it.
    """

    train: Sample
    holdout: Sample
    size: int

    @classmethod
    def of(cls, generator: str, shown: Sample, holdout: Sample, num_synthetic: int, max_rows: int) -> "Sides":
        """Cut to size.

        Raises:
            ContractError: there are too few rows or users to judge by.
        """
        size = min(shown.num_rows, holdout.num_rows, num_synthetic, max_rows)
        if size < MIN_ROWS:
            raise ContractError(
                f"Generator {generator!r} cannot be judged by {shown.num_rows} training, {holdout.num_rows} "
                f"holdout and {num_synthetic} synthetic rows: at least {MIN_ROWS} of each are needed.",
                "Take in more data, or raise synthesis.ratio.",
            )
        if shown.num_users < MIN_SHOWN_USERS:
            raise ContractError(
                f"Generator {generator!r} cannot be judged by training rows of a single user: at least "
                f"{MIN_SHOWN_USERS} are needed.",
                "Take in data of more users.",
            )
        if holdout.num_users < MIN_USERS:
            raise ContractError(
                f"Generator {generator!r} cannot be judged by rows of {holdout.num_users} held-out users: at "
                f"least {MIN_USERS} are needed, and a tenth of all users is held out.",
                "Take in data of more users.",
            )
        return cls(shown, holdout, size)


@dataclass(frozen=True)
class Measure:
    """How rows are measured; the same for every generator.

    Attributes:
        coding: fitted on the training rows.
        seed: of folds, trees, the choice of triples and rows drawn again.
        labels: two-valued columns that models learn to predict; none leaves utility out.
        left_out: further columns that such a model must not see, since they give the label away.
        rates: two-valued columns whose rates are held against the real ones; none: the labels.
        profile: columns that tell of a user; attacks by these alone stand beside those by all columns.
    """

    coding: Coding
    seed: int
    labels: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    rates: tuple[str, ...] = ()
    profile: tuple[str, ...] = ()

    def similarity(self, sides: Sides, sample: Sample) -> Figures:
        """Fidelity, diversity and identical rows of a sample of the sides' size, beside the training rows."""
        real = sides.train.head(sides.size)
        grouped = self.coding.grouped(real), self.coding.grouped(sample)
        return {
            **figures.fidelity_figures(self.coding, *grouped, self.seed),
            **figures.diversity_figures(self.coding, real, sample),
            **figures.identity_figures(sample, sides.train),
        }

    def told_apart(self, real: Sample, sample: Sample) -> Figures:
        """The two-sample test of a sample and as many real rows that nobody learnt from."""
        grouped = self.coding.grouped(real), self.coding.grouped(sample)
        return figures.two_sample_figures(*grouped, self.seed)

    def label_rates(self, sides: Sides, rows: Sample) -> Figures:
        """Rates of labels in all rows that there are: a rare label is in few rows of a smaller sample."""
        return figures.label_figures(self.coding, sides.train, rows, self.rates or self.labels)

    def taught(self, sides: Sides, sample: Sample) -> Taught:
        """What a sample teaches about the labels of the holdout rows."""
        grouped, seed = self.coding.grouped(sample), derive_seed(self.seed, "utility")
        test = self.coding.grouped(sides.holdout)
        return {
            label: utility.trained_auc(self.coding, grouped, test, label, self.left_out, seed)
            for label in self.labels
        }


@dataclass(frozen=True)
class Ceilings:
    """What real rows reach in the place of synthetic ones.

    Attributes:
        figures: of them.
        taught: by training rows.
    """

    figures: Figures
    taught: Taught


def real_figures(measure: Measure, sides: Sides) -> Ceilings:
    """The ceilings: holdout rows in the place of synthetic ones.

    For distances and attacks one half of the holdout users is judged against the other. Where holdout rows
    are what rows are held against, for utility and the two-sample test, training rows stand in.
    """
    standing_in, others_held_out = sides.holdout.halves()
    others = Space.fit(sides.train), standing_in, sides.train, others_held_out
    taught = measure.taught(sides, sides.train.head(sides.size))
    found = {
        **measure.similarity(sides, sides.holdout.head(sides.size)),
        **measure.told_apart(sides.holdout.head(sides.size), sides.train.head(sides.size)),
        **measure.label_rates(sides, sides.holdout),
        **figures.distance_figures(*others, measure.seed),
        **attacks.attack_figures(measure.profile, *others),
        **figures.utility_figures(taught, sides.holdout, sides.size),
    }
    return Ceilings(found, taught)


def compare(
    generator: str,
    measure: Measure,
    sides: Sides,
    synthetic: Sample,
    ceilings: Ceilings,
    card_metrics: Mapping[str, float] | None = None,
) -> list[Metric]:
    """The rows of gold.evaluation_metrics of one generator.

    Args:
        generator: its name, the rows' arm.
        measure: how.
        sides: real rows.
        synthetic: generated rows, at least `sides.size`.
        ceilings: from `real_figures` of the same sides.
        card_metrics: figures of its training, if known.
    """
    sample = synthetic.head(sides.size)
    everything = Space.fit(sides.train), synthetic, sides.train, sides.holdout
    taught = measure.taught(sides, sample)
    found = {
        **measure.similarity(sides, sample),
        **measure.told_apart(sides.holdout.head(sides.size), sample),
        **measure.label_rates(sides, synthetic),
        **figures.distance_figures(*everything, measure.seed),
        **attacks.attack_figures(measure.profile, *everything),
        **figures.utility_figures(taught, sides.holdout, sides.size),
        **figures.loss_figures(ceilings.taught, taught, sides.holdout, sides.size),
        **figures.likelihood_figures(card_metrics or {}),
    }
    metrics = []
    if sides.holdout.users is not None:
        held_out = sides.holdout
        metrics.append(Metric("holdout.users", "all", generator, held_out.num_users, held_out.num_rows))
    for (metric, slice_name), figure in found.items():
        # An entropy ratio of a column that is constant in the training sample has none, for instance.
        real = ceilings.figures.get((metric, slice_name))
        ceiling = None if real is None or math.isnan(real.value) else real.value
        low, high = figure.ci_low, figure.ci_high
        metrics.append(Metric(metric, slice_name, generator, figure.value, sides.size, low, high, ceiling))
    judged = attacks.judged_slices(found, sides.train, sides.holdout)
    return [*metrics, *(replace(m, slice="all") for m in metrics if judged.get(m.metric) == m.slice)]


def compare_tables(
    train: pa.Table,
    holdout: pa.Table,
    synthetic: pa.Table,
    *,
    labels: Sequence[str] = (),
    left_out: Sequence[str] = (),
    columns: Sequence[Column] | None = None,
    user_column: str | None = None,
    profile: Sequence[str] = (),
    card_metrics: Mapping[str, float] | None = None,
    generator: str = "synthetic",
    max_rows: int = 20_000,
    seed: int = 0,
) -> list[Metric]:
    """Every figure of any synthetic table, without a lake, Spark or a configuration.

    >>> metrics = compare_tables(train, holdout, synthetic, labels=["income"])
    >>> {m.metric: (m.value, m.ceiling) for m in metrics if m.slice == "all"}

    Args:
        train: the rows that the generator was trained on, in random order: all of them, or the attacks
            accuse rows that were not shown.
        holdout: real rows that it never saw, in random order; a tenth of the training rows will do.
        synthetic: its rows.
        labels: two-valued columns for utility.
        left_out: columns that give a label away.
        columns: which columns to measure, and how; all of `train` by default, text as categories.
        user_column: says whose row it is, where a user has several: it is no figure's, and no user of the
            holdout may be one of `train`.
        profile: those of the columns that tell of a user, such as an age or a mean price: attacks by these
            alone find a generator that gives its users away and draws all else anew.
        card_metrics: of a likelihood model, see `figures.likelihood_figures`.
        generator: the figures' arm.
        max_rows: rows a side for fidelity, diversity and utility.
        seed: of folds, trees, the choice of triples and rows drawn again.

    Raises:
        ContractError: a column is missing, there are too few rows or users, a row has no user, or one of the
            holdout's was trained on.
    """
    if columns is None:
        columns = [column for column in columns_of(train.schema) if column.name != user_column]
    coding = Coding.fit(train, columns)
    if unknown := set(profile) - {column.name for column in columns}:
        raise ContractError(f"The profile's columns {sorted(unknown)} are none of those that are measured.")
    measure = Measure(coding, seed, tuple(labels), tuple(left_out), profile=tuple(profile))
    rows = coding.encode(synthetic)
    shown, unseen = coding.encode(train), coding.encode(holdout)
    if user_column is not None:
        _require_users(train.column(user_column), holdout.column(user_column), user_column)
        shown = replace(shown, users=hash_buckets(train.column(user_column)))
        unseen = replace(unseen, users=hash_buckets(holdout.column(user_column)))
    sides = Sides.of(generator, shown, unseen, rows.num_rows, max_rows)
    return compare(generator, measure, sides, rows, real_figures(measure, sides), card_metrics)


def _require_users(train: pa.ChunkedArray, holdout: pa.ChunkedArray, column: str) -> None:
    """Every row has a user, who is on one side."""
    if without := train.null_count + holdout.null_count:
        raise ContractError(
            f"{without:,} rows have no user in column {column!r}.",
            "Give each of them a user of its own, or leave user_column out.",
        )
    if both := pc.sum(pc.is_in(pc.unique(holdout), value_set=pc.unique(train))).as_py():
        raise ContractError(
            f"{both:,} users of the holdout, by column {column!r}, are in the training rows as well: a "
            "generator that gives its users away would look as good as any.",
            "Hold out whole users.",
        )


def distribution_metrics(coding: Coding, train: Sample, others: dict[str, Sample]) -> list[Metric]:
    """Rows ``distribution.COLUMN``: the share of each bin or frequent value in real and other samples."""
    sizes = {"real": train.num_rows, **{name: sample.num_rows for name, sample in others.items()}}
    return [
        Metric(f"distribution.{column}", label, arm, share, sizes[arm])
        for column, bars in fidelity.distribution(coding, train, others).items()
        for label, shares in bars
        for arm, share in shares.items()
    ]
