"""All figures of generated sequences, each beside its ceiling: the same figure of real holdout owners."""

import math
from collections.abc import Sequence

from clicksmith.encoding.sequences import Sequences
from clicksmith.evaluation import figures
from clicksmith.evaluation.figures import Figures
from clicksmith.evaluation.rows import Metric
from clicksmith.evaluation.samples.sample import Sample
from clicksmith.evaluation.samples.space import Space
from clicksmith.evaluation.sequences.coded import Coded, Items
from clicksmith.evaluation.sequences.coherence import coherence_figures
from clicksmith.evaluation.sequences.fidelity import fidelity_figures
from clicksmith.evaluation.sequences.memory import copied_figures, run_figures
from clicksmith.evaluation.sequences.next_item import Taught, taught, taught_figures
from clicksmith.evaluation.sequences.sides import Sides, declared, require_apart
from clicksmith.evaluation.sequences.variety import variety_figures
from clicksmith.tables import Column

NUM_TOLD_APART = 5_000
"""Owners a side for the two-sample test: an error of .006 in an AUC."""
NUM_NEAR = 5_000
"""Owners a side among which nearest ones are sought."""


def compare_sequences(
    train: Sequences,
    holdout: Sequences,
    synthetic: Sequences,
    *,
    item: str | None = None,
    columns: Sequence[Column] | None = None,
    owner_columns: Sequence[Column] | None = None,
    key: str | None = None,
    generator: str = "synthetic",
    max_owners: int = 20_000,
    seed: int = 0,
) -> list[Metric]:
    """Every figure of generated sequences, without a lake, Spark or a configuration.

    >>> metrics = compare_sequences(train, holdout, synthetic, item="item_id")
    >>> {m.metric: (m.value, m.ceiling) for m in metrics if m.slice == "all"}

    Args:
        train: the owners that the generator was trained on, in any order: all of them, or copies are missed.
        holdout: real owners that it never saw.
        synthetic: its own.
        item: the column that says what an event is about; None: figures of items are left out, which are
            distinct sequences, long runs and copies, and the next item.
        columns: of events, which to measure and how; all of `train` by default.
        owner_columns: of owners; all of `train` but the key by default.
        key: says who an owner is; the first column of owners by default. Synthetic owners need none.
        generator: the figures' arm.
        max_owners: a side; the smallest side decides.
        seed: of the owners that are drawn, of pairs, triples, folds, trees and rows drawn again.

    Returns:
        Figures of `num_rows` owners a side.

    Raises:
        ContractError: there are fewer than 4 owners on a side, or no events; a holdout owner was trained on;
            columns are missing or unlike.
    """
    key = train.owners.column_names[0] if key is None else key
    require_apart(train, holdout, key)
    wanted = declared(train, key, item, columns, owner_columns)
    named = {"train": train, "holdout": holdout, "synthetic": synthetic}
    sides = Sides.of(named, *wanted, item, max_owners, seed)
    by_real = _taught(sides, sides.train)
    ceilings = _real_figures(sides, by_real, seed)
    found = {
        **_similarity(sides, sides.synthetic, seed),
        **_told_apart(sides, sides.holdout.rows, sides.synthetic.rows, seed),
        **_near(sides.synthetic.rows, sides.train.rows, sides.holdout.rows, seed),
        **_runs(sides.synthetic.items, sides.train.items, sides.holdout.items),
        **_of_taught(_taught(sides, sides.synthetic), by_real),
    }
    metrics = []
    for (metric, slice_name), figure in found.items():
        real = ceilings.get((metric, slice_name))
        ceiling = None if real is None or math.isnan(real.value) else real.value
        low, high = figure.ci_low, figure.ci_high
        metrics.append(
            Metric(metric, slice_name, generator, figure.value, len(sides.train), low, high, ceiling)
        )
    return metrics


def _real_figures(sides: Sides, by_real: Taught | None, seed: int) -> Figures:
    """The ceilings; where holdout owners are what others are held against, one half stands in for these."""
    half = len(sides.holdout) // 2
    standing_in, others = sides.holdout.rows.halves()
    items = sides.holdout.items
    halves = (None, None) if items is None else (items.part(0, half), items.part(half, len(items)))
    found = {
        **_similarity(sides, sides.holdout, seed),
        **_told_apart(sides, sides.holdout.rows, sides.train.rows, seed),
        **_near(standing_in, sides.train.rows, others, seed),
        **_runs(halves[0], sides.train.items, halves[1]),
        **_of_taught(by_real, by_real),
    }
    found.pop(("utility.next_ndcg_loss", "all"), None)
    return found


def _similarity(sides: Sides, other: Coded, seed: int) -> Figures:
    """What is held against training owners."""
    coding = sides.codings.events
    found = {
        **fidelity_figures(sides.codings, sides.train, other, seed),
        **coherence_figures(coding, sides.train, other, seed),
        **variety_figures(coding, sides.train, other),
        **figures.identity_figures(other.rows, sides.train.rows),
    }
    if sides.shown is not None and other.items is not None:
        found |= copied_figures(other.items, sides.shown)
    return found


def _told_apart(sides: Sides, real: Sample, other: Sample, seed: int) -> Figures:
    """``fidelity.c2st_agg``: the AUC of trees that tell owners from real ones that nobody learnt from."""
    rows = [sides.codings.rows.grouped(side.head(NUM_TOLD_APART)) for side in (real, other)]
    (figure,) = figures.two_sample_figures(rows[0], rows[1], seed).values()
    return {("fidelity.c2st_agg", "all"): figure}


def _near(rows: Sample, train: Sample, holdout: Sample, seed: int) -> Figures:
    """Distances and attacks, an owner being a row."""
    sides = [side.head(NUM_NEAR) for side in (rows, train, holdout)]
    space = Space.fit(train)
    return {
        **figures.distance_figures(space, sides[0], sides[1], sides[2], seed),
        **figures.attack_figures(space, sides[0], sides[1], sides[2]),
    }


def _runs(items: Items | None, train: Items | None, unseen: Items | None) -> Figures:
    return {} if items is None or train is None or unseen is None else run_figures(items, train, unseen)


def _taught(sides: Sides, side: Coded) -> Taught | None:
    """What its sequences teach about the last items of holdout owners."""
    if side.items is None or sides.holdout.items is None:
        return None
    return taught(side.items, sides.holdout.items)


def _of_taught(found: Taught | None, by_real: Taught | None) -> Figures:
    return {} if found is None or by_real is None else taught_figures(found, by_real)
