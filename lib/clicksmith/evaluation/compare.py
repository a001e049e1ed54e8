"""All figures of one generator, each beside its ceiling: the same figure of real holdout rows."""

from dataclasses import dataclass

import numpy as np

from clicksmith.errors import ContractError
from clicksmith.evaluation import fidelity, privacy
from clicksmith.evaluation.rows import Metric
from clicksmith.evaluation.sample import Coding, Sample

MIN_ROWS = 50
NUM_QUERIES = 2_000
"""Rows whose nearest neighbours are sought: an error of .011 in a share."""


@dataclass(frozen=True)
class Figure:
    """A value with its interval where it has one."""

    value: float
    ci_low: float | None = None
    ci_high: float | None = None


Figures = dict[tuple[str, str], Figure]
"""By metric and slice."""


@dataclass(frozen=True)
class Sides:
    """The rows that a generator's own are held against, each in hash order.

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
            ContractError: there are too few rows to judge by.
        """
        size = min(shown.num_rows, holdout.num_rows, num_synthetic, max_rows)
        if size < MIN_ROWS:
            raise ContractError(
                f"Generator {generator!r} cannot be judged by {shown.num_rows} training, {holdout.num_rows} "
                f"holdout and {num_synthetic} synthetic rows: at least {MIN_ROWS} of each are needed.",
                "Take in more data, or raise synthesis.ratio.",
            )
        return cls(shown, holdout, size)


def real_figures(coding: Coding, sides: Sides, seed: int) -> Figures:
    """The ceilings: holdout rows in the place of synthetic ones.

    For distances one half of the holdout rows is judged against the other.
    """
    half = sides.holdout.num_rows // 2
    space = privacy.Space.fit(sides.train)
    others = sides.holdout.head(half), sides.train, sides.holdout.tail(half)
    return {
        **fidelity_figures(coding, sides.train.head(sides.size), sides.holdout.head(sides.size), seed),
        **distance_figures(space, *others),
        **identity_figures(sides.holdout.head(sides.size), sides.train),
    }


def compare(
    generator: str, coding: Coding, sides: Sides, synthetic: Sample, ceilings: Figures, seed: int
) -> list[Metric]:
    """The rows of gold.evaluation_metrics of one generator.

    Args:
        generator: its name, the rows' arm.
        coding: fitted on the training rows.
        sides: real rows.
        synthetic: generated rows, at least `sides.size`.
        ceilings: from `real_figures` of the same sides.
        seed: of the two-sample test's folds.
    """
    sample = synthetic.head(sides.size)
    figures = {
        **fidelity_figures(coding, sides.train.head(sides.size), sample, seed),
        **distance_figures(privacy.Space.fit(sides.train), synthetic, sides.train, sides.holdout),
        **identity_figures(sample, sides.train),
    }
    return [
        Metric(
            metric,
            slice_name,
            generator,
            figure.value,
            sides.size,
            figure.ci_low,
            figure.ci_high,
            ceilings[metric, slice_name].value,
        )
        for (metric, slice_name), figure in figures.items()
    ]


def fidelity_figures(coding: Coding, real: Sample, other: Sample, seed: int) -> Figures:
    """Shapes, pairs, two-sample test, coverage and duplicates of `other` against `real`."""
    shapes = fidelity.column_shapes(real, other)
    pairs = fidelity.column_pairs(coding, real, other)
    coverage = fidelity.category_coverage(real, other)
    area = fidelity.c2st_auc(real, other, seed)
    area_interval = fidelity.auc_interval(area, real.num_rows, other.num_rows)
    repeated = fidelity.duplicate_share(other)
    repeated_interval = privacy.share_interval(repeated, other.num_rows)
    return {
        ("fidelity.shapes", "all"): Figure(float(np.mean(list(shapes.values())))),
        **{("fidelity.shapes", name): Figure(value) for name, value in shapes.items()},
        ("fidelity.pairs", "all"): Figure(float(np.mean(list(pairs.values())))),
        **{("fidelity.pairs", f"{a}|{b}"): Figure(value) for (a, b), value in pairs.items()},
        ("fidelity.c2st_auc", "all"): Figure(area, *area_interval),
        ("diversity.coverage", "all"): Figure(float(np.mean(list(coverage.values())))),
        **{("diversity.coverage", name): Figure(value) for name, value in coverage.items()},
        ("diversity.duplicate_share", "all"): Figure(repeated, *repeated_interval),
    }


def distance_figures(space: privacy.Space, rows: Sample, train: Sample, holdout: Sample) -> Figures:
    """Distance to closest record of the first of `rows`, and a membership attack through all of them.

    The distances take as many training rows as there are holdout rows, and see that part of a leak alone:
    copies of a random training row score 1/2 + 1/2 of the share searched. The attack sees all of it.
    """
    queries = min(NUM_QUERIES, rows.num_rows)
    members = min(NUM_QUERIES // 2, train.num_rows, holdout.num_rows)
    closer = privacy.dcr_share(space, rows.head(queries), train, holdout)
    attack = privacy.membership_auc(space, rows, train.head(members), holdout.head(members))
    return {
        ("privacy.dcr_share", "all"): Figure(closer, *privacy.share_interval(closer, queries)),
        ("privacy.membership_auc", "all"): Figure(attack, *fidelity.auc_interval(attack, members, members)),
    }


def identity_figures(rows: Sample, train: Sample) -> Figures:
    """Rows that equal a training row."""
    identical = privacy.identical_share(rows, train)
    interval = privacy.share_interval(identical, rows.num_rows)
    return {("privacy.identical_share", "all"): Figure(identical, *interval)}


def distribution_metrics(coding: Coding, train: Sample, others: dict[str, Sample]) -> list[Metric]:
    """Rows ``distribution.COLUMN``: the share of each bin or frequent value in real and other samples."""
    sizes = {"real": train.num_rows, **{name: sample.num_rows for name, sample in others.items()}}
    return [
        Metric(f"distribution.{column}", label, arm, share, sizes[arm])
        for column, bars in fidelity.distribution(coding, train, others).items()
        for label, shares in bars
        for arm, share in shares.items()
    ]
