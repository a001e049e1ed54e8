"""Intervals of single figures, over observations that share nothing."""

import numpy as np

from benchmarks.lines import print_line
from clicksmith.lift.statistics.clusters import covariance
from clicksmith.lift.statistics.figures import Figure
from clicksmith.lift.statistics.fits import Part
from clicksmith.lift.statistics.intervals import Estimate


def print_interval(metric: str, figure: Figure) -> None:
    """The ends of the 95 % interval of a figure, e.g. of a mean over users."""
    num = len(figure.influence)
    variance = covariance(figure.influence[None], [np.arange(num)]).variance(np.ones(1))
    low, high = Estimate(figure.value, (Part(variance, num - 1),), num, num).interval()
    print_line("recommenders", f"{metric}.low", low, "1")
    print_line("recommenders", f"{metric}.high", high, "1")
