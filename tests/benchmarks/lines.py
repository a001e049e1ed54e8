"""What every benchmark prints: one JSON line a figure."""

import json
import sys


def print_line(
    bench: str,
    metric: str,
    value: float,
    unit: str,
    peer: str | None = None,
    peer_value: float | None = None,
) -> None:
    """Print a figure beside its peer's; `ratio` is ours over the peer's.

    Args:
        bench: name of the benchmark.
        metric: dotted.
        value: ours.
        unit: of both.
        peer: whose figure stands beside it, None without one.
        peer_value: theirs.
    """
    line = {
        "bench": bench,
        "metric": metric,
        "value": round(value, 5),
        "unit": unit,
        "peer": peer,
        "peer_value": None if peer_value is None else round(peer_value, 5),
        "ratio": round(value / peer_value, 5) if peer_value else None,
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
