"""All figures of one generator, each beside its ceiling: the same figure of real holdout rows."""

from dataclasses import dataclass

import numpy as np

from clicksmith.errors import ContractError
from clicksmith.evaluation import fidelity, privacy
from clicksmith.evaluation.rows import Metric
from clicksmith.evaluation.sample import Coding, Sample

MIN_ROWS = 50
NUM_QUERIES = 5_000
"""Rows whose nearest neighbours are sought: an error of .007 in a share."""


@dataclass(frozen=True)
class Figure:
    """A value with its interval where it has one."""

    value: float
    ci_low: float | None = None
    ci_high: float | None = None


Figures = dict[tuple[str, str], Figure]
"""By metric and slice."""


def real_figures(coding: Coding, train: Sample, holdout: Sample, seed: int) -> Figures:
    """The ceilings: holdout rows in the place of synthetic ones.

    For the privacy figures one half of the holdout rows is judged against the other.
    """
    half = holdout.num_rows // 2
    space = privacy.Space.fit(train)
    return {
        **fidelity_figures(coding, train, holdout, seed),
        **privacy_figures(space, holdout.head(half), train.head(half), holdout.tail(half)),
    }


def compare(
    generator: str,
    coding: Coding,
    train: Sample,
    holdout: Sample,
    synthetic: Sample,
    ceilings: Figures,
    seed: int,
) -> list[Metric]:
    """The rows of gold.evaluation_metrics of one generator.

    Args:
        generator: its name, the rows' arm.
        coding: fitted on the training rows.
        train: rows that it was trained on.
        holdout: as many rows that it never saw.
        synthetic: as many generated rows.
        ceilings: from `real_figures` of the same rows.
        seed: of the two-sample test's folds.
    """
    figures = {
        **fidelity_figures(coding, train, synthetic, seed),
        **privacy_figures(privacy.Space.fit(train), synthetic, train, holdout),
    }
    return [
        Metric(
            metric,
            slice_name,
            generator,
            figure.value,
            synthetic.num_rows,
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


def privacy_figures(space: privacy.Space, rows: Sample, train: Sample, holdout: Sample) -> Figures:
    """Distance to closest record, membership attack and identical rows of `rows`."""
    queries = min(NUM_QUERIES, rows.num_rows)
    members = min(NUM_QUERIES // 2, train.num_rows, holdout.num_rows)
    closer = privacy.dcr_share(space, rows.head(queries), train, holdout)
    attack = privacy.membership_auc(space, rows, train.head(members), holdout.head(members))
    identical = privacy.identical_share(rows, train)
    identical_interval = privacy.share_interval(identical, rows.num_rows)
    return {
        ("privacy.dcr_share", "all"): Figure(closer, *privacy.share_interval(closer, queries)),
        ("privacy.membership_auc", "all"): Figure(attack, *fidelity.auc_interval(attack, members, members)),
        ("privacy.identical_share", "all"): Figure(identical, *identical_interval),
    }


def distribution_metrics(coding: Coding, train: Sample, others: dict[str, Sample]) -> list[Metric]:
    """Rows ``distribution.COLUMN``: the share of each bin or frequent value in real and other samples."""
    sizes = {"real": train.num_rows, **{name: sample.num_rows for name, sample in others.items()}}
    return [
        Metric(f"distribution.{column}", label, arm, share, sizes[arm])
        for column, bars in fidelity.distribution(coding, train, others).items()
        for label, shares in bars
        for arm, share in shares.items()
    ]


def common_size(train: int, holdout: int, synthetic: int, generator: str) -> int:
    """Rows a side, the same for all: figures depend on it.

    Raises:
        ContractError: there are too few rows to judge by.
    """
    size = min(train, holdout, synthetic)
    if size < MIN_ROWS:
        raise ContractError(
            f"Generator {generator!r} cannot be judged: {train} training, {holdout} holdout and {synthetic} "
            f"synthetic rows were found, at least {MIN_ROWS} of each are needed.",
            "Take in more data, or raise synthesis.ratio.",
        )
    return size
