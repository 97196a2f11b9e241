"""When neighbours are told what is new: at once where little happens, together where much does."""

from random import Random

import pytest

from minibit.address import Address
from minibit.engine.lateness import ASLEEP_SECONDS
from minibit.engine.neighbour import Neighbour
from minibit.engine.news import (
    FEW,
    FEW_SECONDS,
    LATE_SECONDS,
    MANY_SECONDS,
    PAUSE_SECONDS,
    News,
    awaited,
)
from minibit.engine.standing import Standing
from minibit.torrent.layout import Layout
from minibit.wire.messages import NotInterested

NOWHERE: Address = ("10.0.0.1", 6881)


def told_once(neighbours: int, now: float = 10.13) -> News:
    """So many neighbours have just been told something, or those of them who waited for it."""
    news = News()
    news.add(now)
    news.take(neighbours, now)
    return news


def test_without_news_nothing_is_due() -> None:
    assert News().next_deadline() == float("inf")
    assert told_once(FEW).next_deadline() == float("inf")


@pytest.mark.parametrize("neighbours", [1, 50])
def test_the_first_news_and_news_after_a_pause_are_told_at_once(neighbours: int) -> None:
    news = News()
    for now in (10.1, 10.1 + PAUSE_SECONDS):
        news.add(now)
        assert news.next_deadline() <= now
        news.take(neighbours, now)
        assert news.next_deadline() > now


@pytest.mark.parametrize(
    ("neighbours", "at"), [(1, 10.13 + FEW_SECONDS), (FEW, 10.13 + FEW_SECONDS), (FEW + 1, 10.1875)]
)
def test_what_is_new_soon_after_goes_together(neighbours: int, at: float) -> None:
    news = told_once(neighbours)
    news.add(10.14)
    news.add(10.15)
    assert news.next_deadline() == at


def test_peers_with_many_neighbours_tell_at_the_same_moments() -> None:
    moments = set()
    for began in (10.0, 10.07, 10.18):
        news = told_once(40, began)
        news.add(10.2)
        moments.add(news.next_deadline())
    assert moments == {10.25}


def test_what_is_new_at_such_a_moment_waits_for_the_next_one() -> None:
    news = told_once(40, 10.25)
    for moment in range(164, 1000):
        news.add(moment * MANY_SECONDS)
        assert news.next_deadline() == (moment + 1) * MANY_SECONDS
        news.take(40, (moment + 1) * MANY_SECONDS)


def test_few_are_all_told_each_time_and_all_of_many_once_in_a_while() -> None:
    news = News()
    for began in (10.0, 10.1):
        news.add(began)
        assert news.take(FEW, began)
    moments, now = [], 16.0
    while now < 20.0:
        news.add(now)
        now = news.next_deadline()
        if news.take(FEW + 1, now):
            moments.append(now)
    assert moments == [17.0, 18.0, 19.0, 20.0]


def tell(news: News, standing: Standing, moments: int, late: float, now: float = 100.0) -> float:
    """Something new all the time, told `late` seconds after each moment; when the last moment is over."""
    for _ in range(moments):
        news.add(now)
        now = news.due + late
        news.tell(standing, now)
    return now


def crowd(neighbours: int) -> Standing:
    standing = Standing(Layout(2 << 16, 1 << 16), 0b01, Random(1), None)
    for key in range(neighbours):
        standing.neighbours[key] = neighbour = Neighbour(key, NOWHERE, outgoing=True, now=0.0)
        neighbour.peer_id = bytes([key])
    return standing


@pytest.mark.parametrize(
    ("late", "apart"),
    [(0.0, MANY_SECONDS), (MANY_SECONDS / 9, MANY_SECONDS), (MANY_SECONDS / 5, 2 * MANY_SECONDS), (3.0, 0.5)],
)
def test_who_is_always_late_tells_less_often_and_at_common_moments(late: float, apart: float) -> None:
    news, standing = News(), crowd(FEW + 1)
    now = tell(news, standing, 80, late)
    news.take(FEW + 1, now)
    news.add(now)
    assert news.due % apart == 0
    assert now < news.due <= now + apart


def test_who_was_late_recovers() -> None:
    news, standing = News(), crowd(FEW + 1)
    now = tell(news, standing, 80, 0.3)
    now = tell(news, standing, 80, 0.0, now)
    news.add(now)
    assert news.due == now + MANY_SECONDS


@pytest.mark.parametrize("late", [ASLEEP_SECONDS, 1e6])
def test_to_be_suspended_is_not_to_be_late(late: float) -> None:
    news, standing = News(), crowd(FEW + 1)
    now = tell(news, standing, 1, late, tell(news, standing, 10, 0.0))
    news.add(now)
    news.take(FEW + 1, now)
    news.add(now)
    assert news.due <= now + MANY_SECONDS


def test_a_pause_is_not_to_be_late() -> None:
    news, standing = News(), crowd(FEW + 1)
    now = 100.0
    for _ in range(50):
        now = tell(news, standing, 1, 0.0, now + 5.0)
        news.tell(standing, news.next_deadline())  # those who did not wait for it
    news.add(now)
    assert news.due <= now + MANY_SECONDS


def test_who_was_not_told_is_told_though_nothing_else_happens() -> None:
    news = told_once(40, 10.13)
    assert news.next_deadline() == 10 + LATE_SECONDS
    assert news.take(40, 11.0)
    assert news.next_deadline() == float("inf")


def test_what_is_urgent_does_not_wait_and_goes_to_everybody() -> None:
    news = told_once(50)
    news.add(10.14)
    news.hurry()
    assert news.next_deadline() < 10.14
    assert news.take(50, 10.14)


@pytest.mark.parametrize(
    ("interested", "unchoked", "origin", "holds", "queued", "waits"),
    [
        (True, False, False, 0b0, False, False),  # it wants something of us already, and cannot ask
        (True, True, False, 0b0, False, True),
        (True, True, False, 0b0, True, True),
        (False, False, False, 0b01, False, True),  # this may be what makes it interested…
        (False, False, False, 0b01, True, False),  # …but it would only wait behind others
        (False, False, False, 0b11, False, False),
        (False, False, True, 0b11, True, True),  # what it offers next follows from what is where
    ],
)
def test_who_can_do_something_with_news_waits_for_it(
    interested: bool, unchoked: bool, origin: bool, holds: int, queued: bool, waits: bool
) -> None:
    neighbour = Neighbour(1, NOWHERE, outgoing=True, now=0.0)
    neighbour.demand.interested, neighbour.origin, neighbour.blocks = interested, origin, holds
    neighbour.demand.unchoked_since = 1.0 if unchoked else None
    assert awaited(neighbour, 0b11, queued=queued) is waits


@pytest.mark.parametrize(
    ("late", "waiting", "hears"), [(0.0, True, True), (0.1, True, False), (0.1, False, True)]
)
def test_while_we_are_late_and_somebody_waits_others_need_not_want_something_soon(
    late: float, waiting: bool, hears: bool
) -> None:
    news, standing = News(), crowd(FEW + 1)
    now = tell(news, standing, 80, late)
    first, second = standing.neighbours[0], standing.neighbours[1]
    first.known, first.demand.interested, second.told = True, waiting, 0
    news.take(FEW + 1, now + 10.0)  # everybody has just been told
    news.add(now + 10.0)
    news.tell(standing, news.due)
    assert (second.told == 0b01) is hears


@pytest.mark.parametrize(("neighbours", "moment"), [(FEW, 10.13), (FEW + 1, 11.0)])
def test_of_many_who_serves_us_and_has_nothing_more_hears_so_once_in_a_while(
    neighbours: int, moment: float
) -> None:
    standing = Standing(Layout(2 << 16, 1 << 16), 0b01, Random(1), None)
    for key in range(neighbours):
        neighbour = standing.neighbours[key] = Neighbour(key, NOWHERE, outgoing=True, now=0.0)
        neighbour.peer_id, neighbour.blocks = b"%020d" % key, 0b01
        neighbour.supply.interesting, neighbour.supply.choking = True, False
    news, said = News(), []
    news.add(10.13)
    for now in (10.13, 11.0):
        news.tell(standing, now)
        said += [
            (now, e.key) for e in standing.outbox.take() if getattr(e, "messages", ()) == (NotInterested(),)
        ]
    assert said == [(moment, key) for key in range(neighbours)]
