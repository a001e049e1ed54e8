"""Whether generated sequences are as varied as real ones: entropy, items, distinct sequences."""

from dataclasses import replace

import numpy as np

from clicksmith.evaluation.figures import Figure, Figures, with_mean
from clicksmith.evaluation.quality import diversity
from clicksmith.evaluation.samples.sample import Coding, Sample
from clicksmith.evaluation.sequences.coded import Coded, Items
from clicksmith.evaluation.sequences.memory import sequence_keys

NUM_TOP_ITEMS = 10
"""That may dominate; of a small catalogue a tenth."""


def variety_figures(coding: Coding, real: Coded, other: Coded) -> Figures:
    """Variety of `other` beside as many real owners.

    ``diversity.entropy_ratio``: H_other / H_real of each column of events, numbers in the real bins, over as
    many events: the entropy of a small sample is too low.
    ``diversity.item_coverage``: of the items that are frequent in real events, the share that is in as many
    others (see `diversity.mode_share` for what is frequent, and how often it is hit).
    ``diversity.top_items_share``: of all events, those of the most frequent items: their own, of either side.
    ``diversity.distinct_sequences``: the share of distinct sequences of items over that of real owners.
    """
    size = min(real.events.num_rows, other.events.num_rows)
    events = [_as_categories(coding, side.events.of_columns(real.names).head(size)) for side in (real, other)]
    found = with_mean(
        "diversity.entropy_ratio", diversity.entropy_ratios(*events), events[0], events[1], np.inf
    )
    if real.items is not None and other.items is not None:
        distinct = distinct_share(other.items) / distinct_share(real.items)
        coverage, share = item_coverage(real.items, other.items), top_items_share(real.items, other.items)
        found["diversity.item_coverage", "all"] = Figure(coverage)
        found["diversity.top_items_share", "all"] = Figure(share)
        found["diversity.distinct_sequences", "all"] = Figure(distinct)
    return found


def _as_categories(coding: Coding, sample: Sample) -> Sample:
    """Numbers as their bins."""
    flags = np.ones_like(sample.is_categorical)
    return replace(sample, is_categorical=flags, values=coding.bins(sample).astype(np.float64))


def item_coverage(real: Items, other: Items) -> float:
    """Share of the frequent items of real events that as many others hit often enough; NaN without any."""
    size = min(len(real.codes), len(other.codes))
    counts, hits = (np.bincount(side.codes[:size], minlength=real.num_items) for side in (real, other))
    frequent = counts >= diversity.MIN_MODE_ROWS
    return float((hits[frequent] >= diversity.MIN_HITS).mean()) if frequent.any() else float("nan")


def top_items_share(real: Items, other: Items) -> float:
    """Share of the other side's events that its own most frequent items have.

    These are `NUM_TOP_ITEMS`, or a tenth of the items of real events where that is less.
    """
    num_top = min(NUM_TOP_ITEMS, max(1, len(np.unique(real.codes)) // 10))
    counts = np.sort(np.bincount(other.codes))[::-1]
    return float(counts[:num_top].sum() / counts.sum())


def distinct_share(items: Items) -> float:
    """Distinct sequences for each owner."""
    return len(set(sequence_keys(items))) / len(items)
