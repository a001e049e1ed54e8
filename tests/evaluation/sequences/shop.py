"""A toy shop whose users' sequences have structure of every kind that the figures look at."""

import numpy as np
import pyarrow as pa

from clicksmith.encoding.sequences import Sequences
from clicksmith.evaluation.sequences.coded import Coded, Codings, number_items
from clicksmith.evaluation.sequences.sides import declared

NUM_ITEMS = 60


def shop(seed: int, num_users: int = 400) -> Sequences:
    """A user goes from item to item; prices rise from event to event, gaps shrink, segments start apart."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, 9, num_users)
    segment = rng.integers(3, size=num_users)
    owners = np.repeat(np.arange(num_users), lengths)
    steps = np.arange(len(owners)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    items = np.empty(len(owners), np.int64)
    for row, step in enumerate(steps):
        if step == 0 or rng.random() < 0.2:
            items[row] = (20 * segment[owners[row]] + 20 * rng.random() ** 2) % NUM_ITEMS
        else:
            items[row] = (items[row - 1] + 1) % NUM_ITEMS
    prices = items % 7 + steps + rng.normal(0, 0.3, len(owners))
    events = {
        "item": [f"i{item:02d}" for item in items],
        "kind": np.where(rng.random(len(owners)) < 0.2 + 0.08 * steps, "buy", "view"),
        "price": pa.array(prices, mask=rng.random(len(owners)) < 0.05),
        "gap": rng.exponential(10.0 / (1 + steps)),
    }
    users = {
        "user": [f"{seed}-{user}" for user in range(num_users)],
        "segment": [f"s{s}" for s in segment],
        "age": rng.normal(40, 10, num_users),
    }
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Sequences(pa.table(users), pa.table(events), offsets)


def of_items(*lists: str) -> Sequences:
    """Users whose items are the letters of a word."""
    rows = {"user": [f"u{user}" for user in range(len(lists))], "item": [list(items) for items in lists]}
    return Sequences.of_lists(pa.table(rows, schema=_LETTERS), ["item"])


_LETTERS = pa.schema([("user", pa.string()), ("item", pa.list_(pa.string()))])


def shuffled(side: Sequences, seed: int) -> Sequences:
    """The events of each user in random order."""
    order = np.lexsort((np.random.default_rng(seed).random(side.events.num_rows), side.owner_of))
    return Sequences(side.owners, side.events.take(pa.array(order)), side.offsets)


def coded(*sides: Sequences, item: str | None = None) -> tuple[Codings, list[Coded]]:
    """Sides of equally many users, coded by the first of them, as they come."""
    columns, owner_columns = declared(sides[0], "user", item, None, None)
    items = [None] * len(sides) if item is None else number_items(sides, item)
    codings = Codings.fit(sides[:1], columns, owner_columns)
    return codings, [codings.encode(*side) for side in zip(sides, items, strict=True)]
