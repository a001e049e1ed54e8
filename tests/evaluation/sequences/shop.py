"""A toy shop whose users' sequences have structure of every kind that the figures look at."""

import numpy as np
import pyarrow as pa

from clicksmith.encoding.sequences import Sequences

NUM_ITEMS = 60


def shop(seed: int, num_users: int = 600) -> Sequences:
    """A user stays near an item's neighbours; prices rise with each event, gaps shrink; segments differ."""
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
    events = {
        "item": [f"i{item:02d}" for item in items],
        "kind": np.where(rng.random(len(owners)) < 0.2 + 0.08 * steps, "buy", "view"),
        "price": pa.array(
            items % 7 + steps + rng.normal(0, 0.3, len(owners)), mask=rng.random(len(owners)) < 0.05
        ),
        "gap": rng.exponential(10.0 / (1 + steps)),
    }
    keys = [f"{seed}-{user}" for user in range(num_users)]
    users = pa.table(
        {"user": keys, "segment": [f"s{s}" for s in segment], "age": rng.normal(40, 10, num_users)}
    )
    return Sequences(users, pa.table(events), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
