"""For whom and for what a gain is told apart: masks over what is tested, blind to its outcome."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from clicksmith.lift.task import ALL

NUM_BUCKETS = 4
NUM_CATEGORIES = 5


def quantile_buckets(values: NDArray[np.number], name: str) -> dict[str, NDArray[np.bool_]]:
    """Row masks of about equal size by a whole number, named like ``history=0-49``, ..., ``history=600+``.

    Args:
        values: not negative, shape (N,).
        name: prefix of the segments' names.

    Returns:
        At most `NUM_BUCKETS` masks, fewer where values are alike; none where all are.
    """
    found = np.quantile(values, np.arange(1, NUM_BUCKETS) / NUM_BUCKETS, method="higher")
    borders = [int(border) for border in np.unique(found) if border > values.min()]
    if not borders:
        return {}
    return buckets(values, borders, name)


def buckets(values: NDArray[np.number], borders: list[int], name: str) -> dict[str, NDArray[np.bool_]]:
    """Row masks by value; each of the rising borders starts one, the first starts at 0."""
    segments = {}
    for low, high in zip([0, *borders], [*borders, None], strict=True):
        label = f"{name}={low}+" if high is None else f"{name}={low}-{high - 1}"
        segments[label] = (values >= low) & (values < (np.inf if high is None else high))
    return segments


def segments_of(facts: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.bool_]]:
    """All segments of rows, and all rows together, as masks of shape (N,).

    Args:
        facts: by name, shape (N,) each: history, popularity and frequency as whole numbers, cold_user,
            cold_item, unknown_item and new_query as flags, category as text or None; those that are missing
            tell nothing.
    """
    num_rows = len(next(iter(facts.values())))
    found = {ALL: np.ones(num_rows, bool)}
    for name in ("history", "popularity", "frequency"):
        if name in facts:
            found |= quantile_buckets(np.asarray(facts[name], np.int64), name)
    for name in ("cold_user", "cold_item", "unknown_item", "new_query"):
        if name in facts and np.asarray(facts[name], bool).any():
            found[f"{name}=yes"] = np.asarray(facts[name], bool)
    if "category" in facts:
        values = np.array(["" if value is None else str(value) for value in facts["category"]], object)
        names, counts = np.unique(values[values != ""].astype(str), return_counts=True)
        frequent = names[np.argsort(-counts, kind="stable")][:NUM_CATEGORIES]
        found |= {f"category={name}": values == name for name in frequent}
    return found


def large_enough(
    segments: Mapping[str, NDArray[np.bool_]],
    clusters: Sequence[NDArray[np.integer]],
    min_units: int,
    unit: str,
    labels: NDArray[np.bool_] | None = None,
) -> tuple[dict[str, NDArray[np.bool_]], dict[str, str]]:
    """The segments that can be told apart, all rows together always; and why each other one cannot.

    Args:
        segments: masks of shape (N,).
        clusters: what rows share, see `Units`; shape (N,) each.
        min_units: units that a segment needs: no safety could be shown of fewer, whatever was measured.
        unit: what is counted as one of them, in the plural.
        labels: outcomes, where rows have one of two, shape (N,).
    """
    reasons = {}
    for name, mask in segments.items():
        own = None if labels is None else labels[mask]
        if name != ALL and (why := _why_not([cluster[mask] for cluster in clusters], min_units, unit, own)):
            reasons[name] = why
    return {name: mask for name, mask in segments.items() if name not in reasons}, reasons


def _why_not(
    clusters: Sequence[NDArray[np.integer]], min_units: int, unit: str, labels: NDArray[np.bool_] | None
) -> str:
    """Why nothing can be shown of a segment; empty where it can.

    Of a single outcome, or over a single item, there would be no interval however many units were tested.
    """
    num_units, *others = (len(np.unique(cluster)) for cluster in clusters)
    if num_units < min_units:
        return f"{num_units:,} {unit} were tested, where lift.min_users asks for {min_units:,}"
    if labels is not None and (labels.all() or not labels.any()):
        return "all rows have the same outcome, so that nothing can be ranked"
    if 1 in others:
        return f"all {num_units:,} {unit} were tested on a single item, where an interval needs several"
    return ""
