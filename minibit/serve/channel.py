"""One HTTP connection: a request in, an answer out, and nobody may take his time over either.

What the bytes mean is found out by httptools (llhttp, the parser of Node.js); how long they may take, how
many they may be, and how the end is said, is decided here. A connection carries one request, so that places
are free and no request waits behind another; only what is answered at once, an announce, may be followed
by the next one.
"""

import asyncio
import time
from collections.abc import Callable
from email.utils import formatdate
from enum import Enum
from functools import lru_cache
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

import httptools

from minibit.address import ip_literal
from minibit.serve.budget import FREE, Budget
from minibit.serve.exchange import MAX_BODY, REMEDIES, Reply, Request, Source, refusal
from minibit.serve.places import Places

MAX_HEADER: Final = 64 << 10  # bytes of a request that are not its body: chunks' sizes and trailers too
MAX_HEADERS: Final = 100
INBOX: Final = 64 << 10  # bytes that are read at once
BITE: Final = 16 << 10  # bytes that are parsed at once, between looks at what has come so far
HEADER_DEADLINE: Final = 5.0  # seconds to send a request's header in, and so to sit idle between two
REQUEST_DEADLINE: Final = 30.0  # seconds to send a whole request in…
REQUEST_RATE: Final = 64 << 10  # …and bytes per second of it, once the header's time is over
GRACE: Final = 10.0  # seconds in which an answer need not be taken…
DRAIN_RATE: Final = 64 << 10  # …and bytes per second that are taken of it after that
LINGER: Final = 5.0  # seconds to take the rest of the answer in, and to finish sending what is no longer read
SLICE: Final = 64 << 10  # bytes of an answer that are handed to the socket at once

Handler = Callable[[Request, Callable[[Reply], None]], None]
"""Has a request answered: at once or later, by one call of its second argument on the connection's thread."""


class Stage(Enum):
    HEADER = "header"
    BODY = "body"
    WORKING = "working"
    ANSWERING = "answering"
    LINGERING = "lingering"
    OVER = "over"


class Channel(asyncio.BufferedProtocol):
    """A connection, from its `connection_made` to its `connection_lost`; `sweep` is called every second.

    `later` has a call made in the loop's next turn. `inbox` is where the connections of one loop receive,
    `INBOX` bytes. Requests that come together and are answered at once, are answered together; who wants more
    than `SLICE` bytes that way is told to come again.

    After the answer it says that it is done and reads on a while, throwing away what comes: to close with
    bytes unread would reset the connection, and a client that was refused in the middle of a large
    body would never see why (RFC 9112 section 9.6).
    """

    def __init__(
        self,
        handle: Handler,
        places: Places,
        budget: Budget,
        clock: Callable[[], float],
        later: Callable[[Callable[[], None]], object],
        inbox: bytearray,
    ) -> None:
        self._inbox = memoryview(inbox)
        self._handle = handle
        self._places = places
        self._budget = budget
        self._clock = clock
        self._later = later
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self.source = ""
        self.stage = Stage.HEADER
        self._since = 0.0  # when this stage began; for the body, when the connection did
        self._received = 0  # bytes
        self._handed = 0  # bytes of the answer that the transport was given
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._header_count = 0
        self._header_bytes = 0
        self._head_only = False
        self._body = bytearray()
        self._taken = 0  # bytes of the budget, for the body
        self._rest = memoryview(b"")  # of the answer
        self._source: Source | None = None  # where more of it comes from…
        self._lacking = 0  # …so many bytes
        self._waiting = False  # for a part of it
        self._reply: Reply | None = None
        self._paused = False
        self._complete = False  # the request was, and it had no body
        self._answers = bytearray()  # to what came together

    @property
    def busy(self) -> bool:
        return self.stage is Stage.WORKING

    def throw_out(self) -> None:
        self._transport.abort()
        self._end()

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=SLICE)
        peer = transport.get_extra_info("peername")
        self.source = (ip_literal(peer[0]) if peer else None) or ""
        self._since = self._clock()
        if not self._places.enter(self):
            self.throw_out()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        return self._inbox

    def buffer_updated(self, nbytes: int) -> None:
        for start in range(0, nbytes, BITE):
            if self.stage not in (Stage.HEADER, Stage.BODY):
                break
            bite = self._inbox[start : min(start + BITE, nbytes)]
            self._received += len(bite)
            try:
                self._parser.feed_data(bite)
            except httptools.HttpParserUpgrade:
                pass  # to what, nobody here speaks: the request is answered as it is
            except httptools.HttpParserCallbackError:
                raise  # a fault of ours: asyncio logs it and ends the connection
            except httptools.HttpParserError as error:
                self._refuse(400, f"this is no HTTP request ({error}): send one HTTP/1.1 request")
            if self._received - len(self._body) > MAX_HEADER:
                self._refuse_header()
        self._say()

    def eof_received(self) -> None:
        """Who says no more before the request is whole gets no answer: asyncio closes the connection."""

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._later(self._flow)  # asyncio, which is sending, would end a connection twice that ends meanwhile

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        self._end()

    # --- httptools' side

    def on_url(self, url: bytes) -> None:
        if self.stage is Stage.HEADER:
            self._target += url
            self._header_bytes += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.stage is not Stage.HEADER:
            return  # a trailer, or another request
        self._header_count += 1
        self._header_bytes += len(name) + len(value)
        if self._header_count > MAX_HEADERS or self._header_bytes > MAX_HEADER:
            self._refuse_header()
            return
        name = name.lower()
        before = self._headers.get(name)
        self._headers[name] = value if before is None else before + b", " + value

    def on_headers_complete(self) -> None:
        if self.stage is not Stage.HEADER:
            return
        length = self._headers.get(b"content-length", b"0")
        self._head_only = self._parser.get_method() == b"HEAD"
        if self._headers.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
            self._refuse(501, "only the transfer encoding `chunked` is understood: send a Content-Length")
        elif int(length) > MAX_BODY:
            self._refuse_body()
        else:
            self.stage = Stage.BODY
            if self._headers.get(b"expect", b"").lower() == b"100-continue":
                self._answers += b"HTTP/1.1 100 Continue\r\n\r\n"

    def on_body(self, data: bytes) -> None:
        if self.stage is not Stage.BODY:
            return
        size = len(self._body) + len(data)
        if size > MAX_BODY:
            self._refuse_body()
        elif size > FREE and not self._budget.take(len(data)):
            self._refuse(503, "the tracker is busy with other large requests: try again in a moment")
        else:
            self._taken += len(data) if size > FREE else 0
            self._body += data

    def on_message_complete(self) -> None:
        if self.stage is not Stage.BODY:
            return
        try:
            url = httptools.parse_url(self._target)
        except httptools.HttpParserInvalidURLError:
            self._refuse(400, "the address asked for is malformed: GET / lists what this tracker answers")
            return
        self.stage = Stage.WORKING
        path = unquote((url.path or b"/").decode("latin-1"), "utf-8", "surrogateescape")
        method = self._parser.get_method().decode("latin-1")
        body = bytes(self._body)
        self._body.clear()
        self._complete = not body
        self._handle(Request(method, path, url.query or b"", self._headers, body, self.source), self._answer)
        if self.stage in (Stage.WORKING, Stage.ANSWERING):
            self._transport.pause_reading()

    # --- the answer

    def _refuse(self, status: int, message: str) -> None:
        if self.stage in (Stage.HEADER, Stage.BODY):
            self._answer(refusal(status, message))

    def _refuse_header(self) -> None:
        self._refuse(
            431,
            f"the header is longer than {MAX_HEADER >> 10} KiB or {MAX_HEADERS} lines: send a shorter one",
        )

    def _refuse_body(self) -> None:
        self._refuse(413, REMEDIES[413])

    def _answer(self, reply: Reply) -> None:
        self._give_back()
        if self.stage is Stage.OVER:
            reply.sent()
            return
        goes_on = self._complete and reply.lasting and self._goes_on()
        if goes_on and not self._paused and len(self._answers) < SLICE:
            self._answers += _head(reply, lasting=True)
            if not self._head_only:
                self._answers += reply.body
            reply.sent()
            self._renew()
            return
        self._complete = self._complete and not goes_on  # or something else was asked, and waits to be read
        self.stage, self._since, self._reply = Stage.ANSWERING, self._clock(), reply
        self._answers += _head(reply, lasting=False)
        if not self._head_only:
            self._rest = memoryview(reply.body)
            if reply.source is not None:
                self._source, self._lacking = reply.source, reply.source.length
        if len(self._rest) <= SLICE:
            self._answers += self._rest
            self._rest = self._rest[:0]
        self._say()
        self._flow()

    def _goes_on(self) -> bool:
        """Whether the client may ask something else when this is answered, as HTTP has it."""
        return bool(self._parser.should_keep_alive()) and not self._parser.should_upgrade()

    def _renew(self) -> None:
        """The next request begins, with its own deadline and bounds."""
        self.stage, self._since = Stage.HEADER, self._clock()
        self._received = self._handed = 0
        self._target, self._headers, self._complete = b"", {}, False
        self._header_count = self._header_bytes = 0

    def _flow(self) -> None:
        while self.stage is Stage.ANSWERING and self._rest and not self._paused:
            part, self._rest = self._rest[:SLICE], self._rest[SLICE:]
            self._hand(part)
        if self.stage is Stage.ANSWERING and not self._rest and self._lacking:
            if self._source is not None and not (self._waiting or self._paused):
                self._waiting = True
                self._source.next(self._continue)
        elif self.stage is Stage.ANSWERING and not self._rest:
            self.stage, self._since = Stage.LINGERING, self._clock()
            self._sent()
            if self._complete:
                self._transport.close()  # once the rest of the answer is sent; nothing else was asked
                return
            try:
                self._transport.write_eof()
                self._transport.resume_reading()
            except (OSError, RuntimeError):  # it is closing already
                self._transport.abort()

    def _continue(self, part: bytes) -> None:
        """The next part of a long body is made; b"" if it could not be."""
        self._waiting = False
        if self.stage is not Stage.ANSWERING:
            return
        if not part:
            self.throw_out()  # the length that was said tells the client that something is missing
            return
        self._lacking -= len(part)
        self._since, self._handed, self._rest = self._clock(), 0, memoryview(part)
        self._flow()

    def _say(self) -> None:
        if self._answers and self.stage is not Stage.OVER:
            said, self._answers = self._answers, bytearray()
            self._hand(said)

    def _hand(self, data: bytearray | memoryview) -> None:
        self._handed += len(data)
        self._transport.write(data)

    # --- deadlines, and the end

    def sweep(self, now: float) -> None:
        """Ends the connection if the client takes too long over what it does."""
        age = now - self._since
        match self.stage:
            case Stage.HEADER:
                late = age > HEADER_DEADLINE
            case Stage.BODY:
                owed = REQUEST_RATE * (age - HEADER_DEADLINE)
                late = age > REQUEST_DEADLINE or self._received < owed
            case Stage.ANSWERING:
                taken = self._handed - self._transport.get_write_buffer_size()
                ours = self._waiting and not self._transport.get_write_buffer_size()
                late = not ours and taken < DRAIN_RATE * (age - GRACE)
            case Stage.LINGERING:
                late = age > LINGER
            case Stage.WORKING | Stage.OVER:
                late = False
        if late:
            self.throw_out()

    def _end(self) -> None:
        if self.stage is not Stage.OVER:
            self.stage = Stage.OVER
            self._places.leave(self)
            self._give_back()
            self._rest = memoryview(b"")
            self._sent()

    def _sent(self) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.sent()

    def _give_back(self) -> None:
        if self._taken:  # hardly anybody's, and there is a lock
            self._budget.give(self._taken)
            self._taken = 0


def _head(reply: Reply, *, lasting: bool) -> bytes:
    head = _usual(reply.status, reply.content_type, lasting, int(time.time()))
    if reply.headers:
        head += "".join(f"{name}: {value}\r\n" for name, value in reply.headers).encode("latin-1")
    length = len(reply.body) if reply.source is None else reply.source.length
    return b"%bContent-Length: %d\r\n\r\n" % (head, length)


@lru_cache(16)
def _usual(status: int, content_type: str, lasting: bool, second: int) -> bytes:
    """The head of an answer given in this Unix second, but for what is its own."""
    said = {
        "Content-Type": content_type,
        "Connection": "keep-alive" if lasting else "close",
        "Date": formatdate(second, usegmt=True),
        "Server": "MiniBit",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    if lasting:
        said["Keep-Alive"] = f"timeout={HEADER_DEADLINE:.0f}"
    lines = (f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *map(": ".join, said.items()))
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1")
