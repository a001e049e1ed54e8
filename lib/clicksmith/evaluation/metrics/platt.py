"""Probabilities that mean what they say: logits rescaled on rows that the model was not trained on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_STEPS = 50
_TOLERANCE = 1e-9
_RIDGE = 1e-6


@dataclass(frozen=True)
class Platt:
    """p = sigmoid(slope * logit + intercept) (Platt 1999).

    Attributes:
        slope: below 1 where the model is overconfident.
        intercept: in log-odds.
    """

    slope: float = 1.0
    intercept: float = 0.0

    @classmethod
    def fit(
        cls, probabilities: NDArray[np.floating], labels: NDArray[np.bool_], weights: NDArray[np.floating]
    ) -> "Platt":
        """By Newton's method on the weighted log loss, held to slope 1 by a millionth of the rows.

        A step that would raise the loss is halved: far from the minimum Newton's overshoot.

        Args:
            probabilities: the model's, shape (N,).
            labels: shape (N,).
            weights: shape (N,).

        Returns:
            The identity where only one class occurs: there is nothing to learn from.
        """
        if labels.all() or not labels.any():
            return cls()
        x = np.column_stack([log_odds(probabilities), np.ones(len(labels))])
        weights = np.asarray(weights, np.float64) / np.sum(weights)
        prior = np.array([1.0, 0.0])
        theta = prior.copy()

        def loss(theta: NDArray[np.float64]) -> float:
            logits = x @ theta
            return float(
                weights @ (np.logaddexp(0.0, logits) - labels * logits)
                + _RIDGE / 2 * ((theta - prior) ** 2).sum()
            )

        for _ in range(_STEPS):
            p = _sigmoid(x @ theta)
            gradient = x.T @ (weights * (p - labels)) + _RIDGE * (theta - prior)
            hessian = (x * (weights * p * (1 - p))[:, None]).T @ x + _RIDGE * np.eye(2)
            step = np.linalg.solve(hessian, gradient)
            while loss(theta - step) > loss(theta):
                step /= 2
            theta -= step
            if np.abs(step).max() < _TOLERANCE:
                break
        return cls(float(theta[0]), float(theta[1]))

    def apply(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        """Calibrated probabilities, shape (N,)."""
        return _sigmoid(self.slope * log_odds(probabilities) + self.intercept)


def log_odds(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Of probabilities, clipped within 1e-7 of 0 and 1."""
    clipped = np.clip(np.asarray(probabilities, np.float64), 1e-7, 1 - 1e-7)
    return np.log(clipped / (1 - clipped))


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 / (1.0 + np.exp(-x))
