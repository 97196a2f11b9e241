"""Connections in virtual time: order, latency, room in flight, lines that are shared, slots of arrival."""

import pytest

from minibit.lab.clock import Clock
from minibit.lab.intake import GRAIN, Came, Intake
from minibit.lab.wires import WINDOW, End, Item, Uplink
from minibit.wire import messages as m

CHUNK = 16 * 1024
LATENCY = 0.05


class Recorder:
    """A host that notes what it took in when, and what left it."""

    def __init__(self, clock: Clock, *, downlink: float = 0.0, accepts: bool = True) -> None:
        self.clock = clock
        self.silent = False
        self.taken: list[tuple[float, int, list[object]]] = []
        self.flushed = 0
        self.intake = Intake(clock, downlink, self.take)
        self.accepts = accepts

    def arrives(self, end: End, item: Item, when: float) -> None:
        self.intake.expect(end, item, when)

    def ready(self, end: End) -> None:
        self.flushed += end.pump()

    def lost(self, end: End) -> None:
        raise AssertionError(f"nobody hangs up on {end.key} here")

    def take(self, came: Came) -> None:
        for key, (end, said, payload) in came.items():
            self.taken.append((self.clock.now, key, list(said)))
            if payload and self.accepts:
                end.there.release(payload)


def joined(clock: Clock, a: Recorder, b: Recorder, key: int = 0, uplink: Uplink | None = None) -> End:
    """`a`'s end of a new connection."""
    here, there = End(a, key, clock, uplink, LATENCY), End(b, key, clock, None, LATENCY)
    here.there, there.there = there, here
    return here


def pieces(count: int) -> list[m.Piece]:
    return [m.Piece(0, number * CHUNK, memoryview(bytes(CHUNK))) for number in range(count)]


def settle(clock: Clock, seconds: float = 100.0) -> None:
    clock.run(clock.now + seconds, 1_000_000, lambda: False)


def test_what_is_said_arrives_in_order_one_latency_later() -> None:
    clock = Clock()
    a, b = Recorder(clock), Recorder(clock)
    end = joined(clock, a, b)
    end.say([m.Haves.of(1)])
    end.give(pieces(2))
    end.say([m.Haves.of(2)])
    assert end.pump() == 2 * CHUNK
    settle(clock)
    ((when, _, said),) = b.taken
    assert said == [m.Haves.of(1), *pieces(2), m.Haves.of(2)]
    assert LATENCY <= when <= LATENCY + 2 * GRAIN


def test_a_neighbour_that_takes_nothing_keeps_its_sender_and_what_it_says_waiting() -> None:
    clock = Clock()
    a, b = Recorder(clock), Recorder(clock, accepts=False)
    end = joined(clock, a, b)
    end.give(pieces(WINDOW // CHUNK + 5))
    assert end.pump() == WINDOW
    end.say([m.Haves.of(7)])
    settle(clock)
    assert a.flushed == 0
    assert not any(m.Haves.of(7) in said for _, _, said in b.taken), "control messages wait behind data"


def test_room_in_flight_comes_back_one_latency_after_the_data_was_taken() -> None:
    clock = Clock()
    a, b = Recorder(clock), Recorder(clock)
    end = joined(clock, a, b)
    end.give(pieces(WINDOW // CHUNK + 1))
    end.pump()
    settle(clock)
    assert a.flushed == CHUNK
    first, second = (when for when, _, _ in b.taken)
    assert 2 * LATENCY <= second - first <= 2 * LATENCY + 2 * GRAIN


def test_a_slow_downlink_spreads_what_comes_over_time_and_holds_the_sender() -> None:
    clock = Clock()
    a, b = Recorder(clock), Recorder(clock, downlink=10 * CHUNK)
    end = joined(clock, a, b)
    end.give(pieces(40))
    a.flushed += end.pump()
    clock.run(2.0, 1_000_000, lambda: False)
    arrived = sum(len(said) for _, _, said in b.taken)
    assert 18 <= arrived <= 20
    assert a.flushed <= (arrived + 1) * CHUNK + WINDOW
    settle(clock)
    assert [piece for _, _, said in b.taken for piece in said] == pieces(40)
    assert b.taken[-1][0] == pytest.approx(LATENCY + 4.0, rel=0.01)


def test_an_uplink_serves_its_connections_by_turns() -> None:
    clock = Clock()
    a, b, c = Recorder(clock), Recorder(clock), Recorder(clock)
    uplink = Uplink(clock, 10 * CHUNK)
    to_b, to_c = joined(clock, a, b, 0, uplink), joined(clock, a, c, 1, uplink)
    for end in (to_b, to_c):
        end.give(pieces(10))
        end.pump()
    clock.run(1.0 + LATENCY, 1_000_000, lambda: False)
    got = [sum(len(said) for _, _, said in host.taken) for host in (b, c)]
    assert abs(got[0] - got[1]) <= 1
    assert 8 <= sum(got) <= 10


def test_nothing_overtakes_on_a_line_that_becomes_free() -> None:
    clock = Clock()
    a, b = Recorder(clock), Recorder(clock, downlink=CHUNK)
    end = joined(clock, a, b)
    end.give(pieces(3))
    end.pump()
    clock.run(LATENCY + 10 * GRAIN, 1_000, lambda: False)
    b.intake.rate = 0.0
    end.say([m.Haves.of(9)])
    settle(clock)
    assert [message for _, _, said in b.taken for message in said] == [*pieces(3), m.Haves.of(9)]
