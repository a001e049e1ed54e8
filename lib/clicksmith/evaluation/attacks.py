"""Attacks by all columns, and by those alone that tell of a user; and which of the two the gate judges.

A generator that gives each of its rows the profile of a user it has seen, and draws all else anew, gives its
users away. Among all columns nothing shows it: the item's are as far off as those of anybody's row.
"""

from collections.abc import Sequence

from clicksmith.evaluation import figures
from clicksmith.evaluation.figures import Figure, Figures
from clicksmith.evaluation.quality import attack
from clicksmith.evaluation.rows import PROFILE, ROWS
from clicksmith.evaluation.samples.sample import Sample
from clicksmith.evaluation.samples.space import Space


def attack_figures(
    profile: Sequence[str], space: Space, rows: Sample, train: Sample, holdout: Sample
) -> Figures:
    """All attacks on single rows and on whole users, through `rows`.

    Args:
        profile: columns that tell of a user; none: attacks see all columns alone.
        space: of all columns.
        rows: generated ones, or others in their place.
        train: rows that are attacked.
        holdout: others beside them.

    Returns:
        By metric and slice: ``rows`` and ``profile``; ``all`` without a profile.
    """
    found = _in_space(space, rows, train, holdout)
    if not profile:
        return found
    shown, *others = (side.of_columns(profile) for side in (train, rows, holdout))
    of_profile = _in_space(Space.fit(shown), others[0], shown, others[1])
    return {
        (metric, slice_name): figure
        for slice_name, part in ((ROWS, found), (PROFILE, of_profile))
        for (metric, _), figure in part.items()
    }


def _in_space(space: Space, rows: Sample, train: Sample, holdout: Sample) -> Figures:
    sides = rows, train, holdout
    return {**figures.attack_figures(space, *sides), **figures.user_attack_figures(space, *sides)}


def judged_slices(found: Figures, train: Sample, holdout: Sample) -> dict[str, str]:
    """Which slice of each attack's figure the gate judges: that of the profile where it is the worse one.

    Rows of one user have about the same profile, so that an attack by it tells of as many cases as there are
    users, and its interval is twice as wide. With 100 users held out, its upper end would refuse every third
    generator that is as good as real rows of other users. So it has to be shown that the profile gives more
    away: its interval lies above that of all columns, and above what chance finds.

    Args:
        found: from `attack_figures`, of generated rows.
        train: rows that were attacked.
        holdout: others beside them.

    Returns:
        By metric: ``rows`` or ``profile``; empty without a profile.
    """
    size = min(figures.NUM_ATTACKED, train.num_rows, holdout.num_rows)
    num_others = holdout.halves()[0].head(size).num_users
    by_chance = {"privacy.domias_tpr": attack.chance_rate(num_others)}
    return {
        metric: PROFILE if _is_worse(figure, found[metric, ROWS], by_chance.get(metric, 0.5)) else ROWS
        for (metric, slice_name), figure in found.items()
        if slice_name == PROFILE
    }


def _is_worse(figure: Figure, other: Figure, by_chance: float) -> bool:
    """Whether a figure's interval lies above another's and above chance; a NaN has none, and lies nowhere."""
    return figure.ci_low is not None and figure.ci_low > max(by_chance, other.ci_high or 0.0)
