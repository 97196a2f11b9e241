"""When neighbours are told what is new: at once where little happens, together where much does."""

import pytest

from minibit.engine.news import FEW, FEW_SECONDS, MANY_SECONDS, PAUSE_SECONDS, News


def told_once(neighbours: int, now: float = 10.13) -> News:
    """So many neighbours have just been told something."""
    news = News()
    news.add(0b1, now)
    news.take(neighbours, now)
    return news


def test_without_news_nothing_is_due() -> None:
    news = News()
    news.add(0, 0.0)
    assert not news.due(0.0)
    assert news.next_deadline() == float("inf")


@pytest.mark.parametrize("neighbours", [1, 50])
def test_the_first_news_and_news_after_a_pause_are_told_at_once(neighbours: int) -> None:
    news = News()
    for now in (10.1, 10.1 + PAUSE_SECONDS):
        news.add(0b1, now)
        assert news.due(now)
        assert news.take(neighbours, now) == 0b1
        assert not news.due(now)


@pytest.mark.parametrize(
    ("neighbours", "at"), [(1, 10.13 + FEW_SECONDS), (FEW, 10.13 + FEW_SECONDS), (FEW + 1, 10.1875)]
)
def test_what_is_new_soon_after_goes_together(neighbours: int, at: float) -> None:
    news = told_once(neighbours)
    news.add(0b10, 10.14)
    news.add(0b100, 10.15)
    assert news.next_deadline() == at
    assert not news.due(at - 0.001)
    assert news.due(at)
    assert news.take(neighbours, at) == 0b110


def test_peers_with_many_neighbours_tell_at_the_same_moments() -> None:
    moments = set()
    for began in (10.0, 10.07, 10.18):
        news = told_once(40, began)
        news.add(0b10, 10.2)
        moments.add(news.next_deadline())
    assert moments == {10.25}


def test_what_is_new_at_such_a_moment_waits_for_the_next_one() -> None:
    news = told_once(40, 10.25)
    for moment in range(164, 1000):
        news.add(0b1, moment * MANY_SECONDS)
        assert news.next_deadline() == (moment + 1) * MANY_SECONDS
        news.take(40, (moment + 1) * MANY_SECONDS)


def test_what_is_lost_is_no_news_and_what_is_urgent_does_not_wait() -> None:
    news = told_once(50)
    news.add(0b110, 10.14)
    news.drop(0b10)
    assert not news.due(10.14)
    news.hurry()
    assert news.due(10.14)
    assert news.take(50, 10.14) == 0b100
    news.add(0b1000, 10.14)
    news.drop(0b1000)
    assert not news.due(20.0)
