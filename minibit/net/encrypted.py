"""Encryption around a transport: first the two sides agree (`wire.opening`), then bytes pass through.

Whoever begins in the clear is let through in the clear, so that every accepted connection can be one of
these; what that costs is one call more per read.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final

from minibit.net.transport import Buffer, Transport
from minibit.wire.encryption import Cipher, Encryption
from minibit.wire.opening import MAX_PADDING, SECRET_BYTES, Answerer, Dialler

SEALED: Final = 64 * 1024  # bytes encrypted at a time: what a full socket does not take is kept, sealed
OPENING: Final = 4096  # bytes read at a time before both have agreed


class EncryptedTransport:
    """`inner`, with an exchange before it: until that is done there is no room, and nothing to receive.

    Args:
        info_hash: of the share that the connection is about.
        dialled: whether we connected; then we speak first.
    """

    def __init__(self, inner: Transport, info_hash: bytes, encryption: Encryption, *, dialled: bool) -> None:
        side = Dialler if dialled else Answerer
        padding = secrets.token_bytes(secrets.randbelow(MAX_PADDING + 1))
        self._opening = side(info_hash, encryption.ciphers, secrets.token_bytes(SECRET_BYTES), padding)
        self._inner = inner
        self._loop = asyncio.get_running_loop()
        self._unsent = bytearray()  # sealed, and not taken by `inner`
        self._rest = memoryview(b"")  # came behind the exchange
        self._asking = False
        self._closed = False
        self._on_data: Callable[[], None] = lambda: None
        self._on_room: Callable[[], None] = lambda: None

    def start(self, on_data: Callable[[], None], on_room: Callable[[], None]) -> None:
        self._on_data, self._on_room = on_data, on_room
        self._inner.start(on_data, self._has_room)
        if isinstance(self._opening, Dialler):
            self._unsent += self._opening.start
            self._inner.ask_room(True)

    def receive(self, buffer: memoryview) -> int | None:
        """As `Transport.receive`.

        Raises:
            RemoteProtocolError: the other side breaks the exchange.
        """
        opening = self._opening
        if not opening.done:
            count = self._inner.receive(buffer[:OPENING])
            if not count:
                return count
            self._unsent += opening.receive(bytes(buffer[:count]))
            self._rest = memoryview(opening.rest)
            self.ask_room(self._asking)  # there is an answer to be sent, or at last room for others
        if self._rest:
            count = min(len(self._rest), len(buffer))
            buffer[:count] = self._rest[:count]
            self._rest = self._rest[count:]
            if self._rest:
                self._loop.call_soon(self._more)
            return count
        if not opening.done:
            return None
        count = self._inner.receive(buffer)
        if count and opening.cipher is Cipher.RC4:
            buffer[:count] = opening.unseal(buffer[:count])
        return count

    def send(self, parts: Sequence[Buffer]) -> int:
        opening = self._opening
        if not opening.done or not self._flush():
            return 0
        if opening.cipher is Cipher.PLAIN:
            return self._inner.send(parts)
        taken = 0
        lengths = list(accumulate(map(len, parts), initial=0))
        first = 0
        while first < len(parts) and self._flush():
            last = first + 1
            while last < len(parts) and lengths[last + 1] - lengths[first] <= SEALED:
                last += 1
            self._unsent += opening.seal(b"".join(parts[each] for each in range(first, last)))
            taken = lengths[last]
            first = last
        self._flush()
        return taken

    def ask_data(self, wanted: bool) -> None:
        self._inner.ask_data(wanted)

    def ask_room(self, wanted: bool) -> None:
        self._asking = wanted
        self._inner.ask_room(bool(self._unsent) or (wanted and self._opening.done))

    def close(self) -> None:
        self._closed = True
        self._inner.close()

    def _more(self) -> None:
        if not self._closed:
            self._on_data()

    def _flush(self) -> bool:
        """Send what is sealed already; returns whether all of it left."""
        if self._unsent:
            del self._unsent[: self._inner.send((bytes(self._unsent),))]
            self.ask_room(self._asking)
        return not self._unsent

    def _has_room(self) -> None:
        try:
            left = self._flush()
        except OSError:
            self._inner.ask_room(False)
            self._on_data()  # to receive tells the same, and whoever receives knows what to do about it
            return
        if left and self._asking and self._opening.done:
            self._on_room()
        else:
            self.ask_room(self._asking)
