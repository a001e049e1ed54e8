"""How alike real and synthetic rows are in random triples of columns.

Shapes and pairs can be right where three columns together are wrong; a generator is not tuned to
triples drawn at random (mostly-ai/mostlyai-qa measures them the same way).
"""

from itertools import combinations
from math import comb

import numpy as np

from clicksmith.evaluation.samples import spread
from clicksmith.evaluation.samples.sample import Coding, Sample

MAX_TRIPLES = 200

Triple = tuple[int, int, int]


def choose_triples(num_columns: int, seed: int, max_triples: int = MAX_TRIPLES) -> list[Triple]:
    """All triples of columns, or as many as `max_triples` distinct ones at random, in rising order.

    The choice depends on nothing but the arguments, so every generator and the ceiling share it.
    """
    if comb(num_columns, 3) <= max_triples:
        return list(combinations(range(num_columns), 3))
    random = np.random.default_rng(seed)
    chosen: set[Triple] = set()
    while len(chosen) < max_triples:
        first, second, third = sorted(random.choice(num_columns, 3, replace=False).tolist())
        chosen.add((first, second, third))
    return sorted(chosen)


def column_triples(
    coding: Coding, real: Sample, other: Sample, seed: int, max_triples: int = MAX_TRIPLES
) -> spread.Similarity[tuple[str, str, str]]:
    """1 - the total variation distance between the joint tables of each triple, in coarse bins.

    Finite samples of one distribution differ too, more so than in pairs: read a figure beside that of
    real holdout rows.
    """
    base = coding.num_coarse
    codes_real, codes_other = coding.coarse_bins(real), coding.coarse_bins(other)
    found, mean = {}, spread.MeanPull(real.num_rows, other.num_rows)
    for triple in choose_triples(len(real.names), seed, max_triples):
        joint = []
        for codes in (codes_real, codes_other):
            first, second, third = (codes[:, index] for index in triple)
            joint.append((first * base + second) * base + third)
        a, b, c = (real.names[index] for index in triple)
        found[a, b, c], *pulls = spread.tables(*joint)
        mean.add(*pulls)
    return spread.Similarity(found, mean.pull())
