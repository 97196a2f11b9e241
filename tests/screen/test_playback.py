"""Where a replay stands, key by key."""

import pytest

from minibit.screen.playback import KEYS, Playback

END = 60.0


def pressed(*keys: str, position: float = 30.0, speed: float = 1.0) -> Playback:
    playback = Playback(speed)
    playback.position = position
    for key in keys:
        playback.press(key, END)
    return playback


def test_time_passes_at_its_speed_and_not_beyond_the_end() -> None:
    playback = Playback(10.0)
    playback.elapse(2.0, END)
    assert playback.position == 20.0
    playback.elapse(100.0, END)
    assert playback.position == END


def test_a_pause_stops_it_and_ends() -> None:
    playback = pressed("space")
    playback.elapse(5.0, END)
    assert playback.position == 30.0
    playback.press("space", END)
    playback.elapse(5.0, END)
    assert playback.position == 35.0


@pytest.mark.parametrize(
    ("key", "position", "speed", "there"),
    [
        ("right", 30.0, 1.0, 35.0),
        ("left", 30.0, 1.0, 25.0),
        ("left", 2.0, 1.0, 0.0),
        ("right", 58.0, 1.0, END),
        ("right", 0.0, 10.0, 50.0),
        ("right", 0.0, 0.1, 5.0),
        ("home", 30.0, 1.0, 0.0),
        ("end", 30.0, 1.0, END),
        ("x", 30.0, 1.0, 30.0),
    ],
)
def test_keys_that_jump(key: str, position: float, speed: float, there: float) -> None:
    assert pressed(key, position=position, speed=speed).position == there


def test_keys_that_change_the_speed() -> None:
    assert [pressed(*"]" * n).speed for n in range(4)] == [1.0, 2.0, 5.0, 10.0]
    assert [pressed(*"[" * n).speed for n in (1, 2, 3, 9)] == [0.5, 0.25, 0.1, 0.1]
    assert pressed("]", speed=3.0).speed == 5.0
    assert pressed("]", speed=5000.0).speed == 5000.0


def test_the_line_says_how_it_stands_and_which_keys_there_are() -> None:
    assert pressed().line(END, True) == f"replay 0:30 of 1:00, 1x   {KEYS}"
    assert pressed("space").line(END, False) == "replay 0:30 of 1:00, paused"
    assert pressed("end").line(END, False) == "replay 1:00 of 1:00, end"


def test_who_has_seen_enough() -> None:
    assert not pressed().over
    assert pressed("q").over
