"""One connection in virtual time, over a transport that records: what is too slow, too large or too late."""

import asyncio
from collections.abc import Callable
from typing import Any

import httptools
import pytest

from minibit.serve.budget import FREE, Budget
from minibit.serve.channel import (
    BITE,
    DRAIN_RATE,
    GRACE,
    HEADER_DEADLINE,
    INBOX,
    LINGER,
    MAX_HEADER,
    MAX_HEADERS,
    REQUEST_DEADLINE,
    REQUEST_RATE,
    SLICE,
    Channel,
)
from minibit.serve.exchange import MAX_BODY, Reply, Request
from minibit.serve.places import Places


class Wire(asyncio.Transport):
    """A transport whose peer takes what the test lets it take."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 9)})
        self.written = bytearray()
        self.writes = 0
        self.waiting = 0
        self.stuck = False
        self.end = ""
        self.channel: Channel

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert (high, low) == (SLICE, None)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def write(self, data: Any) -> None:
        self.written += data
        self.writes += 1
        if self.stuck:
            self.waiting += len(data)
            if self.waiting > SLICE:
                self.channel.pause_writing()

    def drain(self, size: int) -> None:
        self.waiting = max(0, self.waiting - size)
        if not self.waiting:
            self.channel.resume_writing()

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...

    def write_eof(self) -> None:
        self.end = self.end or "said"

    def close(self) -> None:
        self.end = self.end or "closed"

    def abort(self) -> None:
        self.end = "aborted"


class Room:
    """Connections that share places, a budget and a clock that the test holds.

    What is asked at `/quick` is answered at once, with `quick` bytes, and may be followed by something else.
    """

    quick = 3

    def __init__(self, budget: Budget | None = None) -> None:
        self.now = 100.0
        self.places = Places()
        self.budget = budget or Budget()
        self.asked: list[Request] = []
        self.answers: list[Callable[[Reply], None]] = []
        self.later: list[Callable[[], None]] = []

    def connect(self) -> tuple[Channel, Wire]:
        channel = Channel(
            self._handle, self.places, self.budget, lambda: self.now, self.later.append, bytearray(INBOX)
        )
        wire = Wire()
        wire.channel = channel
        channel.connection_made(wire)
        return channel, wire

    def go_on(self) -> None:
        """The loop's next turn."""
        while self.later:
            self.later.pop(0)()

    def _handle(self, request: Request, answer: Callable[[Reply], None]) -> None:
        self.asked.append(request)
        if request.path == "/quick":
            answer(Reply(200, bytes(self.quick), lasting=True))
        else:
            self.answers.append(answer)


@pytest.fixture
def room() -> Room:
    return Room()


def hear(channel: Channel, data: bytes) -> None:
    while data:
        size = min(len(data), INBOX)
        channel.get_buffer(-1)[:size] = data[:size]
        channel.buffer_updated(size)
        data = data[size:]


def ask(channel: Channel, body: bytes = b"", length: int | None = None, method: str = "POST") -> None:
    head = f"{method} /x?q=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length or len(body)}\r\n\r\n"
    hear(channel, head.encode() + body)


def status(wire: Wire) -> int:
    return int(wire.written.split()[1])


def test_a_request_comes_in_any_pieces_and_is_answered_once(room: Room) -> None:
    channel, wire = room.connect()
    head = b"POST /a%20%C3%A9?b=%20c HTTP/1.1\r\nX: 1\r\nx: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
    for byte in head + b"2\r\nhi\r\n0\r\n\r\n":
        hear(channel, bytes([byte]))
    (request,) = room.asked
    assert (request.method, request.path, request.query) == ("POST", "/a é", b"b=%20c")
    assert (request.body, request.headers[b"x"], request.remote) == (b"hi", b"1, 2", "127.0.0.1")
    sent: list[bool] = []
    room.answers[0](Reply(200, b"yes", sent=lambda: sent.append(True)))
    hear(channel, b"GET / HTTP/1.1\r\n\r\n")
    assert wire.written.endswith(b"\r\n\r\nyes")
    assert (len(room.asked), wire.end, sent) == (1, "said", [True])
    room.now += LINGER + 1
    channel.sweep(room.now)
    assert (wire.end, sent, len(room.places)) == ("aborted", [True], 0)


def test_a_request_without_a_body_is_closed_as_soon_as_it_is_answered(room: Room) -> None:
    channel, wire = room.connect()
    ask(channel, method="HEAD")
    room.answers[0](Reply(200, b"yes"))
    assert b"Content-Length: 3\r\n" in wire.written
    assert wire.written.endswith(b"\r\n\r\n")
    assert wire.end == "closed"


def test_a_header_that_drips_is_cut_off(room: Room) -> None:
    channel, wire = room.connect()
    for byte in b"GET / HTTP/1.1":
        hear(channel, bytes([byte]))
        room.now += 1
        channel.sweep(room.now)
        if wire.end:
            break
    assert (wire.end, room.now - 100.0) == ("aborted", HEADER_DEADLINE + 1)


def test_a_body_that_drips_is_cut_off_and_one_that_comes_steadily_is_not(room: Room) -> None:
    (slow, slow_wire), (steady, steady_wire) = room.connect(), room.connect()
    ask(slow, length=MAX_BODY)
    ask(steady, length=MAX_BODY)
    for second in range(1, 20):
        hear(slow, b"x" * 100)
        hear(steady, b"x" * REQUEST_RATE)
        room.now += 1
        slow.sweep(room.now)
        steady.sweep(room.now)
        assert (slow_wire.end == "aborted") == (second > HEADER_DEADLINE)
    assert steady_wire.end == ""
    room.now += REQUEST_DEADLINE
    steady.sweep(room.now)
    assert steady_wire.end == "aborted"


def test_an_answer_that_is_not_read_is_handed_on_in_slices_and_given_up(room: Room) -> None:
    (stuck, stuck_wire), (steady, steady_wire) = room.connect(), room.connect()
    given_up: list[bool] = []
    for channel, wire in ((stuck, stuck_wire), (steady, steady_wire)):
        wire.stuck = True
        ask(channel, method="GET")
        room.answers.pop()(Reply(200, bytes(40 * SLICE), sent=lambda: given_up.append(True)))
        assert len(wire.written) < 2 * SLICE + 1000
    for _ in range(int(GRACE) + 3):
        room.now += 1
        steady_wire.drain(2 * DRAIN_RATE + 1000)
        room.go_on()
        stuck.sweep(room.now)
        steady.sweep(room.now)
    assert (stuck_wire.end, steady_wire.end, given_up) == ("aborted", "", [True])
    for _ in range(40):
        steady_wire.drain(2 * DRAIN_RATE)
        assert steady_wire.end == "", "while asyncio sends, it must not be ended"
        room.go_on()
        if steady_wire.end:
            break
    assert (len(given_up), steady_wire.written.count(0)) == (2, 40 * SLICE)


class Parts:
    """A source whose parts a test makes."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.asked: list[Callable[[bytes], None]] = []

    def next(self, give: Callable[[bytes], None]) -> None:
        self.asked.append(give)


def long_answer(room: Room, length: int) -> tuple[Channel, Wire, Parts, list[bool]]:
    channel, wire = room.connect()
    parts, sent = Parts(length), []
    ask(channel, method="GET")
    room.answers.pop()(Reply(206, b"", source=parts, sent=lambda: sent.append(True)))
    return channel, wire, parts, sent


def test_a_long_answer_is_made_part_by_part_as_it_is_taken(room: Room) -> None:
    _, wire, parts, sent = long_answer(room, 2 * SLICE + 5)
    assert f"Content-Length: {2 * SLICE + 5}\r\n".encode() in wire.written
    wire.stuck = True
    parts.asked[0](b"x" * (SLICE + 1))
    assert len(parts.asked) == 1, "nothing more is made for who does not read"
    wire.stuck = False
    wire.drain(SLICE + 1)
    room.go_on()
    parts.asked[1](b"y" * (SLICE + 4))
    assert wire.written.endswith(b"x" * (SLICE + 1) + b"y" * (SLICE + 4))
    assert (len(parts.asked), sent, wire.end) == (2, [True], "closed")


def test_who_waits_for_a_part_is_not_late_and_who_does_not_take_one_is(room: Room) -> None:
    channel, wire, parts, sent = long_answer(room, 2 * SLICE)
    for _ in range(100):  # an origin's limit may be low
        room.now += 1
        channel.sweep(room.now)
    assert wire.end == ""
    wire.stuck = True
    parts.asked[0](b"x" * SLICE)
    for second in range(int(GRACE) + 1):
        room.now += 1
        channel.sweep(room.now)
        assert (wire.end == "aborted") is (second == int(GRACE)), "each part has its time"
    assert (wire.end, sent, len(room.places)) == ("aborted", [True], 0)


def test_a_part_that_cannot_be_made_breaks_the_answer_off_and_a_late_one_is_dropped(room: Room) -> None:
    _, wire, parts, sent = long_answer(room, 10)
    parts.asked[0](b"")
    assert (wire.end, sent) == ("aborted", [True])
    channel, wire, parts, sent = long_answer(room, 10)
    written = len(wire.written)
    channel.connection_lost(None)
    parts.asked[0](b"late")
    assert (len(wire.written), sent) == (written, [True])


def test_a_head_of_a_long_answer_makes_nothing(room: Room) -> None:
    channel, wire = room.connect()
    parts = Parts(10)
    ask(channel, method="HEAD")
    room.answers[0](Reply(200, b"", source=parts))
    assert b"Content-Length: 10\r\n" in wire.written
    assert (parts.asked, wire.end) == ([], "closed")


def test_large_bodies_of_many_connections_share_a_budget() -> None:
    room = Room(Budget(4 << 20))
    refused, channels = 0, []
    for _ in range(100):
        channel, wire = room.connect()
        ask(channel, bytes(MAX_BODY - 1), length=MAX_BODY)
        channels.append(channel)
        refused += b" 503 " in wire.written[:20]
    assert room.budget.held <= 4 << 20
    assert refused == 98
    small, _ = room.connect()
    ask(small, bytes(FREE))
    assert len(room.asked) == 1, "what MiniBit's own peers send is always taken"
    for channel in channels:
        channel.connection_lost(None)
    assert room.budget.held == 0


def test_too_many_headers_are_refused(room: Room) -> None:
    channel, wire = room.connect()
    hear(channel, b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(MAX_HEADERS + 1)))
    hear(channel, b"\r\n")
    assert (status(wire), room.asked) == (431, [])


def test_one_header_said_again_and_again_is_not_joined_for_ever(room: Room) -> None:
    channel, wire = room.connect()
    hear(channel, b"GET / HTTP/1.1\r\n" + b"a:\r\n" * (MAX_HEADERS + 2))
    assert status(wire) == 431


def test_a_trailer_without_end_is_not_gathered(room: Room) -> None:
    channel, wire = room.connect()
    hear(channel, b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ")
    for _ in range(5):
        hear(channel, b"y" * (MAX_HEADER // 4))
    assert (status(wire), room.asked) == (431, [])


def test_what_is_asked_behind_a_request_changes_nothing_of_its_answer(room: Room) -> None:
    channel, wire = room.connect()
    hear(channel, b"GET / HTTP/1.1\r\n\r\nHEAD / HTTP/1.1\r\n\r\n")
    room.answers[0](Reply(200, b"yes"))
    assert wire.written.endswith(b"\r\n\r\nyes")


def test_a_fault_of_ours_reaches_the_loop_which_ends_the_connection() -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    channel = Channel(fail, Places(), Budget(), lambda: 0.0, lambda _: None, bytearray(INBOX))
    channel.connection_made(Wire())
    with pytest.raises(httptools.HttpParserCallbackError):
        ask(channel)


def test_who_waits_to_be_told_to_go_on_is_told(room: Room) -> None:
    channel, wire = room.connect()
    hear(channel, b"POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert wire.written == b"HTTP/1.1 100 Continue\r\n\r\n"
    hear(channel, b"{}")
    assert room.asked[0].body == b"{}"


def test_an_answer_that_comes_after_the_client_has_gone_is_done_with(room: Room) -> None:
    channel, wire = room.connect()
    ask(channel)
    assert channel.busy
    channel.connection_lost(None)
    sent: list[bool] = []
    room.answers[0](Reply(200, b"late", sent=lambda: sent.append(True)))
    assert (sent, wire.written, len(room.places)) == ([True], b"", 0)


QUICK = b"GET /quick HTTP/1.1\r\n\r\n"


def test_what_is_answered_at_once_may_be_followed_by_something_else(room: Room) -> None:
    channel, wire = room.connect()
    for number in range(1, 4):
        room.now += HEADER_DEADLINE
        channel.sweep(room.now)
        hear(channel, b"GET /quick?%d HTTP/1.1\r\nX: %d\r\n\r\n" % (number, number))
        assert (wire.written.count(b"Connection: keep-alive"), wire.end) == (number, "")
    assert [(request.query, dict(request.headers)) for request in room.asked] == [
        (b"1", {b"x": b"1"}),
        (b"2", {b"x": b"2"}),
        (b"3", {b"x": b"3"}),
    ]
    room.now += HEADER_DEADLINE + 1
    channel.sweep(room.now)
    assert (wire.end, len(room.places)) == ("aborted", 0), "an idle connection is not kept for long"


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /quick HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET /quick HTTP/1.0\r\n\r\n",
        b"GET /quick HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"POST /quick HTTP/1.1\r\nContent-Length: 1\r\n\r\n.",
    ],
)
def test_who_asks_nothing_else_is_closed_and_so_is_who_asks_at_length(room: Room, request_: bytes) -> None:
    channel, wire = room.connect()
    hear(channel, request_)
    assert b"Connection: close" in wire.written
    assert wire.end == ("said" if request_.startswith(b"POST") else "closed")


def test_what_comes_together_is_answered_together_and_in_order(room: Room) -> None:
    channel, wire = room.connect()
    hear(channel, QUICK * 3 + b"GET /slow HTTP/1.1\r\n\r\n" + QUICK)
    assert (wire.writes, wire.written.count(b"200 OK")) == (1, 3)
    room.answers[0](Reply(404, b"no"))
    assert (wire.written.count(b"200 OK"), wire.written.count(b"404 "), wire.end) == (3, 1, "closed")
    assert wire.written.endswith(b"no")


def test_a_fault_behind_good_requests_is_said_behind_their_answers(room: Room) -> None:
    channel, wire = room.connect()
    hear(channel, QUICK + b"garbage\r\n\r\n")
    assert wire.written.index(b" 200 ") < wire.written.index(b" 400 ")
    assert wire.end == "said"


def test_who_asks_for_much_at_once_is_told_to_come_again(room: Room) -> None:
    channel, wire = room.connect()
    room.quick = 9000
    hear(channel, QUICK * 1000)
    assert SLICE < len(wire.written) < SLICE + 2 * room.quick
    assert wire.written.count(b"Connection: close") == 1
    assert wire.end == "said", "the rest of what he sends is taken in, so that he sees the answers"


def test_who_takes_no_answers_in_gets_no_more_of_them(room: Room) -> None:
    channel, wire = room.connect()
    room.quick, wire.stuck = 30_000, True
    for _ in range(100):
        hear(channel, QUICK)
    assert len(wire.written) < SLICE + 3 * room.quick
    assert wire.written.count(b"Connection: close") == 1


def test_bounds_are_those_of_each_request(room: Room) -> None:
    channel, wire = room.connect()
    for _ in range(3 * MAX_HEADER // INBOX + 1):
        hear(channel, b"GET /quick?" + b"x" * (MAX_HEADER // 3) + b" HTTP/1.1\r\n\r\n")
    assert wire.written.count(b"200 OK") == len(room.asked) == 3 * MAX_HEADER // INBOX + 1
    hear(channel, b"GET /quick?" + b"x" * (MAX_HEADER + BITE) + b" HTTP/1.1\r\n\r\n")
    assert b" 431 " in wire.written
