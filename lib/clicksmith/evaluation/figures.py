"""Groups of figures, each a function of coded rows. Real holdout rows are measured by the same ones."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from clicksmith.evaluation.quality import attack, diversity, fidelity, privacy, triples, two_sample, utility
from clicksmith.evaluation.samples import spread
from clicksmith.evaluation.samples.sample import Coding, Sample
from clicksmith.evaluation.samples.space import Space, nearest_distances, nearest_neighbours
from clicksmith.evaluation.samples.spread import Names, Similarity
from clicksmith.seeds import derive_seed

NUM_QUERIES = 2_000
"""Rows whose nearest neighbours are sought: an error of .011 in a share."""
NUM_ATTACKED = 1_000
"""Training rows, and as many others, that are attacked: an error of .013 in an AUC."""
NUM_USER_ROWS = 2_000
"""Of attacked users, on a side: of 200 users at least, where there are so many, an error of .03 in an AUC."""
ROWS_A_USER = 10
"""That are attacked, at most: their mean has a third of a single row's noise, and more would cost users."""
MIN_ATTACKED_USERS = 100
"""On a side: an error of .04 in an AUC."""
NUM_REFERENCES = 10_000
"""Rows that tell DOMIAS the population's density; its fifth neighbour hardly moves with more."""
LEAST_TOLD = 0.7**0.5
"""Over a label ratio, the lower end of an interval that tells it. By chance a perfect generator is as far
from 1 as its interval reaches on: where that is further than this, the default bound of .7, its square, would
refuse it in more than one of 20 cases. Of U users who have the label once and as many generated rows with it
the end lies at exp(-1.96 x sqrt(2 / U)), so that 242 tell it; beside many more generated rows 121 do."""


@dataclass(frozen=True)
class Figure:
    """A value with its interval where it has one."""

    value: float
    ci_low: float | None = None
    ci_high: float | None = None


Figures = dict[tuple[str, str], Figure]
"""By metric and slice."""
Taught = Mapping[str, tuple[float, NDArray[np.float64]]]
"""By label what trees reach on real rows that nobody learnt from, and how much each of these moves it."""


def fidelity_figures(coding: Coding, real: Sample, other: Sample, seed: int) -> Figures:
    """Shapes, pairs and triples of `other` against as many rows of `real`."""
    chosen = derive_seed(seed, "triples")
    return {
        **with_mean("fidelity.shapes", fidelity.column_shapes(real, other), real, other),
        **with_mean("fidelity.pairs", fidelity.column_pairs(coding, real, other), real, other),
        **with_mean("fidelity.triples", triples.column_triples(coding, real, other, chosen), real, other),
    }


def two_sample_figures(real: Sample, other: Sample, seed: int) -> Figures:
    """The two-sample test of `other` against as many real rows, which `other` must not have been made of.

    Copies of the real rows could not be told from them: nothing would look better.
    """
    area, pull = two_sample.c2st_auc(real, other, seed)
    return {("fidelity.c2st_auc", "all"): Figure(area, *pull.interval(area, real, other))}


def label_figures(coding: Coding, real: Sample, other: Sample, labels: Sequence[str]) -> Figures:
    """How close each label's rate in `other` is to that in `real`, and of the worst as slice ``all``.

    NaN for a label that too few have to tell its rate (see `LEAST_TOLD`), if chance explains how far it is
    off, as far as one of so many labels may be (Bonferroni): what it does not explain is told by few, too.
    """
    found: Figures = {}
    further = float(stats.norm.ppf(1 - 0.025 / max(1, len(labels)))) / spread.Z
    for label in labels:
        of_real, of_other = (utility.label_values(coding, side, label) for side in (real, other))
        ratio, low, high = fidelity.label_ratio(of_real, of_other, (real.users, other.users))
        farthest = high if ratio == 0 else ratio * (ratio / low) ** further
        is_chance = farthest >= 1.0 and low <= LEAST_TOLD * ratio
        found["fidelity.label_ratio", label] = Figure(math.nan) if is_chance else Figure(ratio, low, high)
    if found:
        found["fidelity.label_ratio", "all"] = worst(found.values())
    return found


def worst(found: Iterable[Figure]) -> Figure:
    """Of figures of which more is better, the one that a gate likes least: it judges an interval's lower end.

    What cannot be told has no value and is left out; where nothing can, neither has the worst.
    """

    def lowest(figure: Figure) -> float:
        low = figure.value if figure.ci_low is None else figure.ci_low
        return -math.inf if math.isnan(low) else low

    known = [figure for figure in found if not math.isnan(figure.value)]
    return min(known, key=lowest, default=Figure(math.nan))


def user_attack_figures(space: Space, rows: Sample, train: Sample, holdout: Sample) -> Figures:
    """An attack on users: the mean of DOMIAS' scores over rows of each; none where users are not known.

    Rows of a person add up: where single rows tell little, several of them together may tell who was there.
    NaN where there are fewer than `MIN_ATTACKED_USERS` users to attack on a side.
    """
    if train.users is None or holdout.users is None:
        return {}
    attacked, known = holdout.halves()
    if min(train.num_users, attacked.num_users) < MIN_ATTACKED_USERS:
        return {("privacy.user_auc", "all"): Figure(math.nan)}
    reference, points = space.place(known.head(NUM_REFERENCES)), space.place(rows)
    neighbour = min(attack.REFERENCE_NEIGHBOUR, reference.num_rows)
    scores = []
    for side, limits in zip((train, attacked), _like_limits(train, attacked), strict=True):
        chosen = side.first_of_users(limits)
        assert chosen.users is not None
        placed = space.place(chosen)
        to_reference = nearest_neighbours(placed, reference, neighbour)[:, -1]
        by_row = attack.density_scores(nearest_distances(placed, points), to_reference)
        user = np.unique(chosen.users, return_inverse=True)[1]
        scores.append(np.bincount(user, by_row) / np.bincount(user))
    return {("privacy.user_auc", "all"): _told(attack.attack_area(scores[0], scores[1]))}


def _like_limits(train: Sample, others: Sample) -> list[NDArray[np.int64]]:
    """How many rows of each user to attack, so that users of both sides have about equally many.

    Training rows may be a smaller part of those that there are. A mean of few rows strays further than one of
    many: of skewed scores it would lie on one side of it in more than half of the cases, without any leak.

    Returns:
        Of either side the limits of its first users, shapes (U,) and (V,).
    """
    sizes = [np.minimum(side.rows_by_user(), ROWS_A_USER) for side in (train, others)]
    sizes = [own[: np.searchsorted(np.cumsum(own), NUM_USER_ROWS, side="right")] for own in sizes]
    limits = []
    for own, other in (sizes, sizes[::-1]):
        rank = np.argsort(np.argsort(own, kind="stable"))
        # Whoever has more rows than nine in ten of his own side is held to what such a one has on the other.
        like = np.sort(other)[((rank + 0.5) * len(other) / len(own)).astype(np.int64)]
        limits.append(np.minimum(own, like))
    return limits


def diversity_figures(coding: Coding, real: Sample, other: Sample) -> Figures:
    """Coverage, entropy, modes and repeated rows of `other` against as many rows of `real`."""
    repeated = diversity.duplicate_share(other)
    coverage = diversity.category_coverage(real, other)
    share, pull = diversity.mode_share(coding, real, other)
    ends = (None, None) if math.isnan(share) else pull.interval(share, real, other)
    return {
        **{("diversity.coverage", name): Figure(value) for name, value in coverage.items()},
        ("diversity.coverage", "all"): Figure(_mean(coverage.values())),
        **with_mean("diversity.entropy_ratio", diversity.entropy_ratios(real, other), real, other, math.inf),
        ("diversity.mode_share", "all"): Figure(share, *ends),
        ("diversity.duplicate_share", "all"): _share(repeated, other.num_rows),
    }


def distance_figures(space: Space, rows: Sample, train: Sample, holdout: Sample, seed: int) -> Figures:
    """How near `rows` lie to training rows, and how near to as many holdout rows, of as many users.

    Only the first of `rows` are asked. The more users, the more varied their rows are, and the nearer is the
    nearest of them to any row. Distances see the leak of the training rows searched alone: copies of a random
    training row score 1/2 + 1/2 of the share searched. The attacks see all of it.
    """
    queries = space.place(rows.head(NUM_QUERIES))
    train = train.of_users(holdout.num_users)
    size = min(train.num_rows, holdout.num_rows)
    to_train = nearest_neighbours(queries, space.place(train.head(size)), 2)
    to_holdout = nearest_neighbours(queries, space.place(holdout.head(size)), 2)
    closer = privacy.closer_share(to_train[:, 0], to_holdout[:, 0])
    ratio = privacy.nndr_ratio(to_train, to_holdout)
    ends = privacy.nndr_interval(to_train, to_holdout, derive_seed(seed, "nndr"))
    return {
        ("privacy.dcr_share", "all"): _share(closer, queries.num_rows),
        ("privacy.nndr_ratio", "all"): Figure(ratio, *ends),
    }


def attack_figures(space: Space, rows: Sample, train: Sample, holdout: Sample) -> Figures:
    """Attacks through all of `rows` on training rows among as many holdout rows.

    DOMIAS needs a reference of its own, with no row of a user who is attacked: it attacks one half of the
    holdout rows and refers to the other. Rows of one user are near to one another, so that they would seem
    to lie in a denser population than they do. Where too few users are attacked to tell what it finds from
    chance, ``privacy.domias_tpr`` is NaN.
    """
    attacked, known = holdout.halves()
    size = min(NUM_ATTACKED, train.num_rows, holdout.num_rows)
    shown, beside, unseen = train.head(size), holdout.head(size), attacked.head(size)
    points, reference = space.place(rows), space.place(known.head(NUM_REFERENCES))
    members, strangers = space.place(shown), space.place(unseen)
    of_members = nearest_distances(members, points)
    neighbour = min(attack.REFERENCE_NEIGHBOUR, reference.num_rows)
    to_reference = [nearest_neighbours(side, reference, neighbour)[:, -1] for side in (members, strangers)]
    near = -of_members, -nearest_distances(space.place(beside), points)
    dense = (
        attack.density_scores(of_members, to_reference[0]),
        attack.density_scores(nearest_distances(strangers, points), to_reference[1]),
    )
    found = spread.share(attack.found_members(*dense), shown.users)
    by_chance = attack.chance_rate(unseen.num_users)  # also in `attacks.judged_slices`
    is_chance = found[0] <= by_chance and by_chance > attack.MOST_BY_CHANCE
    return {
        ("privacy.membership_auc", "all"): _told(attack.attack_area(*near, (shown.users, beside.users))),
        ("privacy.domias_auc", "all"): _told(attack.attack_area(*dense, (shown.users, unseen.users))),
        ("privacy.domias_tpr", "all"): Figure(math.nan) if is_chance else Figure(*found),
    }


def identity_figures(rows: Sample, train: Sample) -> Figures:
    """Rows that equal a training row."""
    return {("privacy.identical_share", "all"): _share(privacy.identical_share(rows, train), rows.num_rows)}


def utility_figures(taught: Taught, test: Sample, num_taught: int) -> Figures:
    """AUC on real `test` rows of trees that learnt from so many rows, by label; none where none is named."""
    return _by_label("utility.trained_auc", taught, test, num_taught)


def loss_figures(by_real: Taught, taught: Taught, test: Sample, num_taught: int) -> Figures:
    """How much of that AUC trees lose by learning from other rows than real ones, by label.

    Of the same test rows: the interval is that of the difference. No more can be lost than real rows teach:
    of a label that nothing foretells, their trees do no better than chance.
    """
    lost = {
        label: (by_real[label][0] - area, by_real[label][1] - influence)
        for label, (area, influence) in taught.items()
    }
    most = {label: figure.value - 0.5 for (_, label), figure in utility_figures(by_real, test, 1).items()}
    found = _by_label("utility.auc_loss", lost, test, num_taught, -1.0)
    return {(metric, label): _at_most(loss, most[label]) for (metric, label), loss in found.items()}


def _at_most(loss: Figure, most: float) -> Figure:
    return loss if loss.ci_high is None else replace(loss, ci_high=min(loss.ci_high, max(loss.value, most)))


def _by_label(metric: str, found: Taught, test: Sample, num_taught: int, lowest: float = 0.0) -> Figures:
    """A figure a label with its interval, and the mean of those that are known."""
    values, known = dict(found), [one for one in found.values() if not math.isnan(one[0])]
    if known:
        values["all"] = sum(value for value, _ in known) / len(known), np.mean([i for _, i in known], axis=0)
    elif found:
        values["all"] = math.nan, np.zeros(0)
    return {
        (metric, label): Figure(value)
        if math.isnan(value)
        else Figure(value, *spread.around(value, influence, test.users, num_taught, lowest))
        for label, (value, influence) in values.items()
    }


def likelihood_figures(card_metrics: Mapping[str, float]) -> Figures:
    """What a likelihood model's card tells of memorisation: nats a row by which held-out rows cost more.

    The card has `held_out_nats`, `train_nats` and `gap_error`, see `training.engine.likelihood`.

    Early stopping, quality and even utility may not see a network that learns its rows by heart; this
    gap does. Empty for models without a likelihood and for cards that lack the training side; without an
    interval for those of an earlier release, or of a single user.
    """
    held_out, train = card_metrics.get("held_out_nats"), card_metrics.get("train_nats")
    if held_out is None or train is None:
        return {}
    gap, error = held_out - train, card_metrics.get("gap_error")
    ends = (None, None) if error is None else (gap - spread.Z * error, gap + spread.Z * error)
    return {("privacy.heldout_gap_nats", "all"): Figure(gap, *ends)}


def with_mean(
    metric: str, found: Similarity[Names], real: Sample, other: Sample, highest: float = 1.0
) -> Figures:
    """A figure a slice, and their mean with its interval as slice ``all``."""
    slices = {
        (metric, name if isinstance(name, str) else "|".join(name)): Figure(value)
        for name, value in found.by_columns.items()
    }
    mean = _mean(found.by_columns.values())
    ends = found.pull.interval(mean, real, other, highest) if slices else (None, None)
    return {**slices, (metric, "all"): Figure(mean, *ends)}


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _told(found: tuple[float, float, float]) -> Figure:
    return Figure(math.nan) if math.isnan(found[0]) else Figure(*found)


def _share(value: float, num_rows: int) -> Figure:
    return Figure(value, *spread.wilson(value, num_rows))
