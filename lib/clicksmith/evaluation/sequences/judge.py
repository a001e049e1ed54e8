"""Judging generated sequences of users: all figures of each generator, and the gate's decision."""

import logging

import pyarrow as pa

from clicksmith.config import Config
from clicksmith.encoding.sequences import Sequences
from clicksmith.evaluation import gate
from clicksmith.evaluation.rows import Metric
from clicksmith.evaluation.samples.drawn import Samples
from clicksmith.evaluation.sequences.compare import compare_sequences
from clicksmith.seeds import derive_seed

logger = logging.getLogger(__name__)

USER, ITEM, TIME = "user_id", "item_ids", "event_ts"
LISTS = (ITEM, "event_types", TIME)
"""Of gold.sequences, with a value an event."""


def judge_sequences(config: Config, samples: Samples) -> list[Metric]:
    """Every figure of every generator, and the gate's decisions, as rows.

    Args:
        config: for the gate's bounds, the generators' own row limits and the seed.
        samples: with `USER` and `LISTS`.

    Raises:
        ContractError: there are too few users to judge by.
    """
    bounds, seed = config.gate, derive_seed(config.seed, "evaluate_synthetic", "sequences")
    holdout, metrics = sequences_of(samples.holdout), []
    for generator in samples.generators:
        card = samples.cards[generator]
        shown = samples.train.slice(0, card.get("num_rows", config.fits[generator].max_rows))
        found = compare_sequences(
            sequences_of(shown),
            holdout,
            sequences_of(samples.generated(generator)),
            item=ITEM,
            owner_columns=[],
            key=USER,
            generator=generator,
            max_owners=bounds.max_rows,
            seed=seed,
        )
        for name, number in (("users", len(holdout)), ("rows_without_user", 0)):
            found.append(Metric(f"holdout.{name}", "all", generator, number, len(holdout)))
        decision = gate.decide(generator, found, bounds, "sequences")
        metrics += [*found, *gate.gate_metrics(decision, found[0].num_rows)]
        logger.info("generator %s: measured on %s users a side", generator, f"{found[0].num_rows:,}")
    return metrics


def sequences_of(rows: pa.Table) -> Sequences:
    """Users and their events, the time as the gap to the one before, in seconds."""
    found = Sequences.of_lists(rows.select([USER, *LISTS]), LISTS)
    return found.with_gaps(TIME)
