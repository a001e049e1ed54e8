"""The limits themselves: over all processes of a command, and what they end."""

import sys
import time

import psutil
import pytest

from ci.limited import LimitError, run_limited

MB = 10**6
HOLD = "held = bytearray(b'x') * {size}; import time; time.sleep({seconds})"


def holding(size: int, seconds: float) -> list[str]:
    return [sys.executable, "-c", HOLD.format(size=size, seconds=seconds)]


def test_what_a_command_takes_is_counted() -> None:
    usage = run_limited(holding(100 * MB, 1.5), 1000 * MB, 60)
    assert 100 * MB < usage.peak < 200 * MB
    assert 1.5 < usage.seconds < 20


def test_processes_together_pass_the_limit_that_none_passes_alone() -> None:
    start = f"import subprocess, sys; [subprocess.Popen({holding(100 * MB, 60)!r}) for _ in range(3)]"
    command = [sys.executable, "-c", f"{start}; import time; time.sleep(60)"]
    started = time.monotonic()
    with pytest.raises(LimitError, match=r"more than 0\.25 GB"):
        run_limited(command, 250 * MB, 50)
    assert time.monotonic() - started < 30
    left = [p for p in psutil.Process().children(recursive=True) if p.status() != psutil.STATUS_ZOMBIE]
    assert not [p for p in left if "bytearray" in str(p.cmdline())]


def test_a_limit_of_time_and_a_failure_are_told() -> None:
    with pytest.raises(LimitError, match="more than 1 s"):
        run_limited(holding(MB, 30), 1000 * MB, 1)
    with pytest.raises(LimitError, match="exit status 3"):
        run_limited([sys.executable, "-c", "raise SystemExit(3)"], 1000 * MB, 30)
