"""What a policy would have earned, from rows that another one logged."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class PolicyValue:
    """What a policy would earn a row, estimated from rows that another one logged.

    Attributes:
        ips: inverse propensity scoring; without bias, of high variance (Horvitz and Thompson 1952).
        snips: self-normalised: a little bias, far less variance (Swaminathan and Joachims 2015).
        low, high: 95 % interval of `snips`, by the delta method.
        effective_rows: (sum of weights)^2 / sum of their squares: rows that the estimate rests on.
    """

    ips: float
    snips: float
    low: float
    high: float
    effective_rows: float


def policy_value(rewards: Floats, propensities: Floats, new_probabilities: Floats) -> PolicyValue:
    """The value of a policy that would have taken each logged action with `new_probabilities`.

    Args:
        rewards: of the logged actions, shape (N,).
        propensities: with which they were taken, above 0, shape (N,).
        new_probabilities: with which the policy takes them, shape (N,).
    """
    weights = np.asarray(new_probabilities, np.float64) / propensities
    total = weights.sum()
    if not total > 0:
        nan = float("nan")
        return PolicyValue(0.0, nan, nan, nan, 0.0)
    snips = float(weights @ rewards / total)
    error = float(np.sqrt(weights**2 @ (np.asarray(rewards, np.float64) - snips) ** 2) / total)
    return PolicyValue(
        ips=float((weights * rewards).mean()),
        snips=snips,
        low=snips - 1.96 * error,
        high=snips + 1.96 * error,
        effective_rows=float(total**2 / (weights**2).sum()),
    )
