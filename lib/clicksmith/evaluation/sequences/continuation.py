"""How well predicted continuations of sequences meet the true ones of the same owners.

To hold the k-th event against the k-th would punish one too many for all that follow. Both figures match
events instead, as HoTPP does (Karpukhin et al. 2024, arXiv 2406.14341).

Shapes: N owners, E events.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from clicksmith.errors import ContractError
from clicksmith.evaluation.figures import Figure
from clicksmith.evaluation.rows import Metric
from clicksmith.evaluation.samples import spread

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Continuations:
    """Events that follow the known part of each owner's sequence, true or predicted, in any order.

    Attributes:
        owners: whose each event is, from 0 on, shape (E,).
        times: since the last known event, shape (E,).
        labels: what each event is, such as its item's number, from 0 on, shape (E,).
        scores: how sure a prediction is, shape (E,); None: all are equally sure.

    Raises:
        ContractError: their lengths differ, or a time or score is no finite number.
    """

    owners: NDArray[np.int64]
    times: Floats
    labels: NDArray[np.int64]
    scores: Floats | None = None

    def __post_init__(self) -> None:
        named = {"owners": self.owners, "times": self.times, "labels": self.labels, "scores": self.sureness}
        if len({len(values) for values in named.values()}) > 1:
            found = ", ".join(f"{len(values)} {name}" for name, values in named.items())
            raise ContractError(f"There are {found}; each event has one of each.")
        for name in ("times", "scores"):
            if wrong := int((~np.isfinite(named[name])).sum()):
                raise ContractError(f"{wrong:,} {name} of {len(self.times):,} events are no finite numbers.")

    @property
    def sureness(self) -> Floats:
        """The scores, shape (E,)."""
        return np.zeros(len(self.owners)) if self.scores is None else self.scores

    def before(self, horizon: float) -> "Continuations":
        """The events before a horizon."""
        events = self.times < horizon
        scores = None if self.scores is None else self.scores[events]
        return Continuations(self.owners[events], self.times[events], self.labels[events], scores)


def compare_continuations(
    predicted: Continuations,
    true: Continuations,
    num_owners: int,
    *,
    horizons: Sequence[float],
    tolerances: Sequence[float],
    price: float,
    ranked: Continuations | None = None,
    generator: str = "synthetic",
) -> list[Metric]:
    """T-mAP and the optimal transport distance at each horizon, and their means as slice ``all``.

    Args:
        predicted: events, each with one label.
        true: events of the same owners.
        num_owners: N, those without any event among them.
        horizons: up to which time events count.
        tolerances: see `t_map`.
        price: see `transport_distances`.
        ranked: predictions for `t_map` where labels are uncertain: an event stands here once for each label
            that it may have, at the same time, with its score. None: `predicted`.
        generator: the figures' arm.

    Raises:
        ContractError: an owner is none of the N, or the price is not above 0.
    """
    if not price > 0:
        raise ContractError(f"The price of an unmatched event is {price}; it is a time above 0.")
    ranked = predicted if ranked is None else ranked
    for side in (predicted, true, ranked):
        if len(side.owners) and not 0 <= side.owners.min() <= side.owners.max() < num_owners:
            raise ContractError(
                f"Events are of owners {side.owners.min()} to {side.owners.max()}; these are numbered from 0 "
                f"to {num_owners - 1}."
            )
    maps, distances = {}, {}
    for horizon in horizons:
        slice_name, shown = f"horizon {horizon:g}", true.before(horizon)
        maps[slice_name] = Figure(t_map(ranked.before(horizon), shown, tolerances))
        distances[slice_name] = transport_distances(predicted.before(horizon), shown, num_owners, price)
    maps["all"] = Figure(float(np.mean([figure.value for figure in maps.values()])))
    distances["all"] = np.mean(list(distances.values()), axis=0)
    named = {
        "continuation.t_map": maps,
        "continuation.transport": {name: _mean(values) for name, values in distances.items()},
    }
    return [
        Metric(metric, name, generator, figure.value, num_owners, figure.ci_low, figure.ci_high)
        for metric, by_slice in named.items()
        for name, figure in by_slice.items()
    ]


def t_map(predicted: Continuations, true: Continuations, tolerances: Sequence[float]) -> float:
    """Temporal mean average precision: the mean over labels that are true somewhere, and over tolerances.

    A prediction is a hit where it is matched with a true event of its owner and label that is at most the
    tolerance away; each true event is matched once, and the surest predictions go first. Predictions of a
    label rank by score over all owners, equal ones as one; precision is averaged over the true events, those
    that nothing meets counting 0. HoTPP itself gives 0 to a label whose every prediction is a hit, and to one
    that is never true.

    Returns:
        From 0 to 1, which is ideal; NaN where no event is true.
    """
    if not len(true.owners):
        return float("nan")
    hits = np.zeros((len(tolerances), len(predicted.owners)), bool)
    for rows, columns in _met(predicted, true):
        apart = np.abs(predicted.times[rows, None] - true.times[columns])
        # The sum is the largest where as many as can be are matched, and of these the surest.
        sureness = 1 + predicted.sureness[rows] - predicted.sureness[rows].min()
        for hit, tolerance in zip(hits, tolerances, strict=True):
            gain = np.where(apart <= tolerance, sureness[:, None], 0.0)
            matched = linear_sum_assignment(gain, maximize=True)
            hit[rows[matched[0]]] = gain[matched] > 0
    return float(np.mean([_average_precision(predicted, hit, true) for hit in hits]))


def _average_precision(predicted: Continuations, hits: NDArray[np.bool_], true: Continuations) -> float:
    """The mean over labels that are true."""
    num_true = np.bincount(true.labels)
    known = predicted.labels < len(num_true)
    label, score, hit = predicted.labels[known], predicted.sureness[known], hits[known]
    order = np.lexsort((-score, label))
    label, score, hit = label[order], score[order], hit[order]
    starts = np.searchsorted(label, label)
    ranks, before = np.arange(1, len(label) + 1), np.concatenate([[0], np.cumsum(hit)])
    # Where the last of equally sure predictions of the label stands.
    changes = np.concatenate([(np.diff(label) != 0) | (np.diff(score) != 0), [True]])[: len(label)]
    last = np.flatnonzero(changes)[np.cumsum(changes) - changes]
    precision = (before[last + 1] - before[starts]) / (ranks[last] - starts)
    sums = np.bincount(label, precision * hit, len(num_true))
    return float((sums[num_true > 0] / num_true[num_true > 0]).mean())


def transport_distances(
    predicted: Continuations, true: Continuations, num_owners: int, price: float
) -> Floats:
    """What it costs to turn each owner's predicted events into the true ones, shape (N,); 0 is ideal.

    An event that is matched with one of its label costs the time between them, one that is not a fixed price
    (Xiao et al. 2017; Mei, Qin and Eisner 2019, arXiv 1905.05570): two are never matched over more than twice
    that. In units of time; scores do not matter.

    Args:
        predicted: events.
        true: events of the same owners.
        num_owners: N.
        price: of an event that is not matched.
    """
    events = [np.bincount(side.owners, minlength=num_owners) for side in (predicted, true)]
    distances = price * (events[0] + events[1]).astype(np.float64)
    for rows, columns in _met(predicted, true):
        apart = np.abs(predicted.times[rows, None] - true.times[columns])
        saved = np.maximum(2 * price - apart, 0.0)
        distances[predicted.owners[rows[0]]] -= saved[linear_sum_assignment(saved, maximize=True)].sum()
    return distances


def _met(
    predicted: Continuations, true: Continuations
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The predicted and the true events of each owner and label that both have."""
    base = 1 + max(int(side.labels.max(initial=0)) for side in (predicted, true))
    keys = [side.owners * base + side.labels for side in (predicted, true)]
    orders = [np.argsort(side, kind="stable") for side in keys]
    keys = [side[order] for side, order in zip(keys, orders, strict=True)]
    shared = np.intersect1d(keys[0], keys[1])
    ends = [[np.searchsorted(side, shared, end) for end in ("left", "right")] for side in keys]
    for first, last, other_first, other_last in zip(*ends[0], *ends[1], strict=True):
        yield orders[0][first:last], orders[1][other_first:other_last]


def _mean(values: Floats) -> Figure:
    """Over owners."""
    mean = float(values.mean())
    half = spread.Z * float(np.sqrt(spread.mean_variance(values - mean, None)))
    return Figure(mean, max(mean - half, 0.0), mean + half)
