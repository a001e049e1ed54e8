"""What every benchmark prints: one JSON line a figure. Peers' environments read this file too."""

import json
import resource
import sys
from pathlib import Path


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


def peak_mb() -> float:
    """The most memory that this process has held, in MB of 2**20 bytes.

    `ru_maxrss` alone would not do where /proc tells more: on Linux a new process inherits its parent's.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
