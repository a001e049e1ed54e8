"""Runs a command, and ends it when all its processes together take more memory or time than they may."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil

SECONDS_BETWEEN_LOOKS = 0.5


@dataclass(frozen=True)
class Usage:
    """What a command took.

    Attributes:
        seconds: from its start to its end.
        peak: the most bytes that its processes held together.
        shares: the bytes of each of them at that moment, by what it is, largest first.
    """

    seconds: float
    peak: int
    shares: list[tuple[str, int]]

    def __str__(self) -> str:
        largest = ", ".join(f"{name} {share / 1e9:.2f}" for name, share in self.shares[:6])
        return f"{self.seconds:.0f} s, at most {self.peak / 1e9:.2f} GB ({largest})"


class LimitError(AssertionError):
    """The command took more than it may, or failed."""


def run_limited(
    command: Sequence[str], max_bytes: int, max_seconds: float, environment: Mapping[str, str] | None = None
) -> Usage:
    """Run a command to its end within its limits.

    A page that several processes have in common is counted once, as far as the system tells. Processes that
    outlive the one that started them still count, and are ended with the rest.

    Raises:
        LimitError: a limit was passed, all its processes are killed; or it failed.
    """
    started = time.monotonic()
    process = subprocess.Popen(command, env=environment)
    tree = {process.pid: psutil.Process(process.pid)}
    usage = Usage(0.0, 0, [])
    try:
        while process.poll() is None:
            shares = _shares(tree)
            total, seconds = sum(share for _, share in shares), time.monotonic() - started
            usage = Usage(seconds, total, shares) if total > usage.peak else usage
            if total > max_bytes:
                raise LimitError(f"more than {max_bytes / 1e9:g} GB after {usage}")
            if seconds > max_seconds:
                raise LimitError(f"more than {max_seconds:.0f} s; most memory after {usage}")
            time.sleep(SECONDS_BETWEEN_LOOKS)
    finally:
        for member in tree.values():
            if member.is_running():
                member.kill()
        process.wait()
    usage = Usage(time.monotonic() - started, usage.peak, usage.shares)
    if process.returncode:
        raise LimitError(f"exit status {process.returncode} after {usage}")
    return usage


def _shares(tree: dict[int, psutil.Process]) -> list[tuple[str, int]]:
    """Bytes of each process, largest first; adds to `tree` those that have come since."""
    for member in list(tree.values()):
        try:
            tree.update({child.pid: child for child in member.children(recursive=True)})
        except psutil.NoSuchProcess:
            del tree[member.pid]
    shares = []
    for member in tree.values():
        try:
            memory = member.memory_full_info()
            shares.append((member.name(), getattr(memory, "pss", 0) or memory.uss))
        except psutil.Error:  # it has just ended, or is a zombie
            continue
    return sorted(shares, key=lambda pair: -pair[1])


if __name__ == "__main__":
    sys.stdout.write(f"{run_limited(sys.argv[1:], 8 * 10**9, 3600)}\n")
