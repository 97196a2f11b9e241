"""When neighbours are told what is new: at once where little happens, together where much does."""

import pytest

from minibit.engine.news import FEW, FEW_SECONDS, News


def test_without_news_nothing_is_due() -> None:
    news = News()
    assert not news.due(0.0)
    assert news.next_deadline() == float("inf")


def test_the_first_news_and_news_after_a_pause_are_told_at_once() -> None:
    news = News()
    for now in (10.1, 20.2):
        news.add(0b1)
        assert news.due(now)
        assert news.take(50, now) == 0b1
        assert not news.due(now)


@pytest.mark.parametrize(
    ("neighbours", "at"), [(1, 10.13 + FEW_SECONDS), (FEW, 10.13 + FEW_SECONDS), (50, 10.1875)]
)
def test_what_is_new_soon_after_goes_together(neighbours: int, at: float) -> None:
    news = News()
    news.add(0b1)
    news.take(neighbours, 10.13)
    news.add(0b10)
    news.add(0b100)
    assert news.next_deadline() == at
    assert not news.due(at - 0.001)
    assert news.due(at)
    assert news.take(neighbours, at) == 0b110


def test_peers_with_many_neighbours_tell_at_the_same_moments() -> None:
    moments = set()
    for began in (10.13, 10.15, 10.18):
        news = News()
        news.add(1)
        news.take(40, began)
        news.add(2)
        moments.add(news.next_deadline())
    assert moments == {10.1875}


def test_what_is_lost_is_no_news_and_what_is_urgent_does_not_wait() -> None:
    news = News()
    news.add(0b11)
    news.take(50, 10.0)
    news.add(0b110)
    news.drop(0b10)
    assert not news.due(10.03)
    news.hurry()
    assert news.due(10.03)
    assert news.take(50, 10.03) == 0b100
