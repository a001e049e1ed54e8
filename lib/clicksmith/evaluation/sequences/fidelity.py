"""How events are distributed: columns over all events and at each step, pairs, triples, owners, lengths."""

import numpy as np

from clicksmith.evaluation.figures import Figure, Figures, with_mean
from clicksmith.evaluation.quality import fidelity, triples
from clicksmith.evaluation.samples import spread
from clicksmith.evaluation.sequences.coded import Coded, Codings, by_owner
from clicksmith.seeds import derive_seed

STEPS = (0, 1, 2, -3, -2, -1)
"""That are held against one another: an owner's first events and its last."""


def fidelity_figures(codings: Codings, real: Coded, other: Coded, seed: int) -> Figures:
    """Each figure by column or step, and their mean.

    Pairs and triples are of the columns of events and of their owner, an event having its owner's values:
    whether an owner's events are like such an owner's is in them.

    Args:
        codings: fitted on real owners.
        real: training owners.
        other: as many others.
        seed: of the choice of triples.
    """
    sides = real.grouped, other.grouped
    of_events = real.grouped.of_columns(real.names), other.grouped.of_columns(real.names)
    chosen = derive_seed(seed, "triples")
    length, *pulls = fidelity.numbers(real.lengths.astype(np.float64), other.lengths.astype(np.float64))
    found = {
        **with_mean("fidelity.shapes", fidelity.column_shapes(*of_events), *of_events),
        **with_mean("fidelity.step_shapes", step_shapes(real, other), real.owners, other.owners),
        **with_mean("fidelity.pairs", fidelity.column_pairs(codings.events, *sides), *sides),
        **with_mean("fidelity.triples", triples.column_triples(codings.events, *sides, chosen), *sides),
        ("fidelity.lengths", "all"): Figure(length, *spread.Pull(*pulls).reach(length, (None, None))),
    }
    if codings.owner_columns:
        owners = codings.owners.grouped(real.owners), codings.owners.grouped(other.owners)
        found |= with_mean("fidelity.owner_shapes", fidelity.column_shapes(*owners), *owners)
    return found


def step_shapes(real: Coded, other: Coded) -> spread.Similarity[str]:
    """The mean similarity of the columns of events at each of `STEPS`; pulls are the owners'.

    A step that no real owner has is left out; one that only real ones have is worth 0.
    """
    found, mean = {}, spread.MeanPull(len(real), len(other))
    for step in STEPS:
        at = real.at_step(step), other.at_step(step)
        if not at[0].any():
            continue
        if not at[1].any():
            found[f"step {step}"] = 0.0
            mean.add(np.zeros(len(real)), np.zeros(len(other)))
            continue
        sides = [
            side.grouped.of_columns(real.names).take(rows)
            for side, rows in zip((real, other), at, strict=True)
        ]
        shapes = fidelity.column_shapes(*sides)
        found[f"step {step}"] = float(np.mean(list(shapes.by_columns.values())))
        mean.add(
            by_owner(shapes.pull.real, real.owner_of[at[0]], len(real)),
            by_owner(shapes.pull.other, other.owner_of[at[1]], len(other)),
        )
    return spread.Similarity(found, mean.pull())
