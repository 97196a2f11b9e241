"""The rate meter against a list of what was added, the token bucket against the rate that it promises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit.engine.rates import SLOTS, RateMeter, TokenBucket

STARTS = st.sampled_from([0.0, 12345.678, 1e6])
# Steps of time as whole hundredths of a second, far smaller and far larger than a window of 5 s.
STEPS = st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 10**9)), max_size=60)


@given(STARTS, STEPS)
def test_the_rate_is_that_of_the_last_slots(start: float, steps: list[tuple[int, int]]) -> None:
    window = 5.0
    width = window / SLOTS
    meter = RateMeter(window, start)
    history: list[tuple[int, int]] = []
    now = start
    for wait, count in steps:
        now += wait / 100
        meter.add(count, now)
        history.append((int(now / width), count))
    slot = int(now / width)
    recent = sum(count for when, count in history if when > slot - SLOTS)
    slots = min(SLOTS, slot - int(start / width) + 1)
    assert meter.rate(now) == pytest.approx(recent / (slots * width))
    assert meter.rate(now + 2 * window) == 0


def test_a_steady_stream_reads_as_its_rate() -> None:
    meter = RateMeter(5.0, now=0.0)
    for tick in range(1000):
        meter.add(100, tick / 100)
    assert meter.rate(9.99) == pytest.approx(10_000)


def test_a_young_meter_averages_over_its_age() -> None:
    meter = RateMeter(20.0, now=100.0)
    meter.add(3000, 102.5)
    assert meter.rate(102.5) == pytest.approx(1000)  # three slots of one second have begun


def test_an_idle_meter_falls_to_nothing_within_a_window() -> None:
    meter = RateMeter(5.0, now=0.0)
    meter.add(1000, 0.0)
    assert meter.rate(4.9) == pytest.approx(200)
    assert meter.rate(5.0) == 0


def test_a_clock_that_stands_still_or_steps_back_loses_nothing() -> None:
    meter = RateMeter(5.0, now=50.0)
    meter.add(10, 51.0)
    meter.add(10, 50.5)
    meter.add(10, 51.0)
    assert meter.rate(51.0) == pytest.approx(30 / 1.25)
    assert meter.rate(70.0) == 0


@given(
    rate=st.integers(1, 10**9),
    burst=st.integers(1, 10**7),
    start=STARTS,
    takes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 300)), min_size=1, max_size=50),
)
def test_a_bucket_never_gives_more_than_rate_and_burst(
    rate: int, burst: int, start: float, takes: list[tuple[int, int]]
) -> None:
    bucket = TokenBucket(rate, burst, start)
    now, given_before_last, last = start, 0, 0
    for count, wait in takes:
        now = max(now, bucket.ready_at(now))
        assert bucket.ready(now)
        given_before_last += last
        allowed = burst + (now - start) * rate
        assert given_before_last < allowed * (1 + 1e-6) + 1
        bucket.take(count)
        last = count
        now += wait / 100


@given(rate=st.integers(1, 10**9), count=st.integers(1, 10**7))
def test_ready_at_is_when_the_debt_is_paid_and_not_later(rate: int, count: int) -> None:
    bucket = TokenBucket(rate, burst=1000, now=0.0)
    bucket.take(1000 + count)
    at = bucket.ready_at(0.0)
    assert at == pytest.approx((count + 1) / rate)
    assert not bucket.ready(at - 1.5 / rate)
    assert bucket.ready(at)


def test_a_bucket_saves_no_more_than_its_burst() -> None:
    bucket = TokenBucket(rate=100, burst=50, now=0.0)
    assert bucket.ready(1000.0)
    bucket.take(50)
    assert not bucket.ready(1000.0)
    assert bucket.ready_at(1000.0) == pytest.approx(1000.01)


@pytest.mark.parametrize("rate", [1 << 20, 10 << 20, 100 << 20])
def test_a_bucket_with_nothing_saved_is_exact_to_two_percent_over_its_first_five_seconds(rate: int) -> None:
    chunk, now, given_away = 16384, 0.0, 0
    bucket = TokenBucket(rate, burst=0.1 * rate, now=now, saved=1)
    while now < 5.0:
        bucket.take(chunk)
        given_away += chunk
        now = bucket.ready_at(now)
    assert given_away == pytest.approx(5 * rate, rel=0.02)
    assert given_away == pytest.approx(5 * rate, abs=2 * chunk)


def test_no_limit_is_always_ready() -> None:
    bucket = TokenBucket(rate=0, burst=0, now=0.0)
    for now in (0.0, 1.0):
        bucket.take(10**12)
        assert bucket.ready(now)
        assert bucket.ready_at(now) == now


def test_time_that_steps_back_gives_nothing() -> None:
    bucket = TokenBucket(rate=100, burst=10, now=100.0)
    bucket.take(10)
    assert not bucket.ready(50.0)
    assert not bucket.ready(100.0)
    assert bucket.ready(100.1)
