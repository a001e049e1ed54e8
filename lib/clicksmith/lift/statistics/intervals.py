"""Intervals, tests and power of a difference whose variance has several parts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from scipy import stats

from clicksmith.lift.statistics.fits import Part

LEVEL = 0.95
POWER = 0.8

Claim = TypeVar("Claim", str, tuple[str, str, str])


@dataclass(frozen=True)
class Estimate:
    """A difference and the parts of its variance.

    Attributes:
        value: of the difference; NaN where it is not defined.
        parts: of its variance: the units that were tested, the seeds, the fits.
        num_units: that were tested, e.g. users.
        num_rows: test rows of the slice.
        lasting: of the first part, what further units leave: that of items which they share, see `clusters`.
        few: why an interval is not to be believed, where these two differ on too little; empty where it is.
        num_moved: on how many observations they differ then, of a mean of what lies between 0 and 1.
    """

    value: float
    parts: tuple[Part, ...]
    num_units: int
    num_rows: int
    lasting: float = 0.0
    few: str = ""
    num_moved: int | None = None

    @property
    def told(self) -> dict[str, Any]:
        """As plain values, for evidence and words."""
        low, high = self.interval(LEVEL)
        figures = {"value": self.value, "ci_low": low, "ci_high": high, "num_rows": self.num_rows}
        return {**figures, "noise": self.noise}

    @property
    def noise(self) -> dict[str, float]:
        """The variance by what more of would bring it down; empty where there is none.

        Items are those that units share, whose own part stays however many units there are. Trainings are
        seeds and fits.
        """
        if not self.parts:
            return {}
        tested, *trainings = (part.variance for part in self.parts)
        return {"units": tested - self.lasting, "items": self.lasting, "trainings": sum(trainings)}

    @property
    def error(self) -> float:
        """The standard error."""
        return math.sqrt(sum(part.variance for part in self.parts)) if self.parts else math.nan

    @property
    def freedom(self) -> float:
        """Degrees of freedom by Welch and Satterthwaite (1946)."""
        total = sum(part.variance for part in self.parts)
        spread = sum(part.variance**2 / part.freedom for part in self.parts)
        return total**2 / spread if spread > 0 else math.inf

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Two-sided, by Student's t; (NaN, NaN) where there is none."""
        reach = self.error * _quantile((1 + level) / 2, self.freedom)
        return self.value - reach, self.value + reach

    def p_value(self, beyond: float = 0.0) -> float:
        """One-sided: how often chance gives as much where the difference is at most `beyond`."""
        if self.error == 0:
            return 0.0 if self.value > beyond else 1.0
        return float(stats.t.sf((self.value - beyond) / self.error, self.freedom))

    def p_value_of_loss(self, margin: float) -> float:
        """How often so few observations would differ if as large a part of all did as could lose the margin.

        Of a mean of what lies between 0 and 1 no more is lost than the share of observations that differ. By
        the binomial distribution; 1 where that is not known.
        """
        if self.num_moved is None:
            return 1.0
        return float(stats.binom.cdf(self.num_moved, self.num_rows, margin))

    def detectable(self, beyond: float = 0.0, level: float = LEVEL, power: float = POWER) -> float:
        """The difference that would be found above `beyond` with a chance of `power`: the minimal one."""
        quantiles = _quantile((1 + level) / 2, self.freedom) + _quantile(power, self.freedom)
        return beyond + quantiles * self.error

    def needed_units(self, size: float, level: float = LEVEL, power: float = POWER) -> float:
        """Units that would tell a difference of `size` from none; inf where no number of units would.

        The first part falls with the units, but for what lasts; the others with more seeds and fits alone.
        Also inf where there is no interval: nothing says then how far more units would bring one.
        """
        if not self.parts:
            return math.inf
        quantiles = _quantile((1 + level) / 2, self.freedom) + _quantile(power, self.freedom)
        left = (size / quantiles) ** 2 - self.noise["items"] - self.noise["trainings"]
        return self.num_units * self.noise["units"] / left if left > 0 else math.inf


def holm(p_values: Mapping[Claim, float], level: float = LEVEL) -> list[Claim]:
    """Which claims hold, the chance of a single false one among all being at most 1 - level (Holm 1979).

    Args:
        p_values: one-sided, by claim; each at half of 1 - level, as two-sided intervals are. NaN: there is
            no test, and the claim does not hold.
        level: of all claims together.
    """
    alpha, kept = (1 - level) / 2, []
    tested = {claim: 1.0 if math.isnan(p) else p for claim, p in p_values.items()}
    for rank, claim in enumerate(sorted(tested, key=lambda name: (tested[name], name))):
        if not tested[claim] <= alpha / (len(tested) - rank):
            break
        kept.append(claim)
    return kept


def told_apart(differences: Mapping[Claim, Estimate], level: float = LEVEL) -> list[Claim]:
    """Which differences are not 0, whichever way they go, corrected for how many there are (Holm)."""
    away = {name: replace(found, value=abs(found.value)) for name, found in differences.items()}
    return holm({name: found.p_value() for name, found in away.items()}, level)


def simultaneous(level: float, num_claims: int) -> float:
    """The level of each of several intervals that all cover together at `level` (Bonferroni)."""
    return 1 - (1 - level) / max(1, num_claims)


def _quantile(probability: float, freedom: float) -> float:
    return float(stats.norm.ppf(probability) if math.isinf(freedom) else stats.t.ppf(probability, freedom))


def estimate(
    value: float, parts: Sequence[Part], num_units: int, num_rows: int, lasting: float = 0.0
) -> Estimate:
    """An estimate; without a defined value or variance it has no interval."""
    known = not math.isnan(value) and all(not math.isnan(part.variance) for part in parts)
    return Estimate(value, tuple(parts) if known else (), num_units, num_rows, lasting)
