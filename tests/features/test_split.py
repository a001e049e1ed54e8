"""The span of a log's clocks, by hand and by properties. Needs no Spark."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from builders import START
from clicksmith.features.split import Day, time_span


def day(number: int, num_events: int = 100) -> Day:
    start = START + timedelta(days=number)
    return Day(start.date(), num_events, start + timedelta(hours=1), start + timedelta(hours=23))


LOGS = st.lists(st.integers(50, 150), min_size=1, max_size=60).map(
    lambda counts: [day(number, count) for number, count in enumerate(counts)]
)


@given(log=LOGS)
def test_a_log_with_right_clocks_keeps_its_span(log: list[Day]) -> None:
    assert time_span(log[::-1]) == (log[0].first, log[-1].last)


@given(log=LOGS, wrong=st.lists(st.integers(200, 20_000) | st.integers(-20_000, -200), max_size=10))
def test_few_wrong_clocks_move_nothing(log: list[Day], wrong: list[int]) -> None:
    few = sum(found.num_events for found in log) // 100
    strays = [day(number, 1) for number in dict.fromkeys(wrong[:few])]
    assert time_span([*strays, *log]) == (log[0].first, log[-1].last)


def test_thin_days_near_the_others_are_believed() -> None:
    """Days 0 to 99 and a margin of a tenth: one event on day 108 counts, one on day 110 does not."""
    log = [day(number) for number in range(100)]
    assert time_span([*log, day(108, 1)])[1] == day(108).last
    assert time_span([*log, day(110, 1)])[1] == day(99).last
    assert time_span([*log, day(-9, 1)])[0] == day(-9).first
