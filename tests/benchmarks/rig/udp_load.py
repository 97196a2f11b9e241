"""Announces over UDP (BEP 15) as fast as a tracker answers them, and a look at every answer.

Datagrams are made beforehand and leave and arrive in batches, by `sendmmsg` and `recvmmsg` of the system's C
library (Linux), so that one core drives any tracker that has the other.
"""

import ctypes
import os
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from errno import EAGAIN, EINTR

from minibit.dialects.announce import Announce, Event
from minibit.dialects.udp_announce import (
    AnnounceRequest,
    Connect,
    Connected,
    decode_reply,
    encode_request,
)
from minibit.errors import MinibitError

PORTS = 20000  # where peers say that they listen: this and the next ones
NUMWANT = 50
ROOM = 2048  # bytes for an answer
MSG_WAITFORONE = 0x10000
PATIENCE = 0.1  # s without an answer, before those that are out count as lost
BATCH = 64
CONNECT_SECONDS, CONNECTS = 0.25, 20
_ANSWER = struct.Struct(">II")
_HEAD = 20  # bytes of an answer before its peers, 6 each


class _Vector(ctypes.Structure):
    """iovec (readv(2))."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """msghdr (sendmsg(2))."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(_Vector)),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """mmsghdr (sendmmsg(2))."""

    _fields_ = (("header", _Header), ("length", ctypes.c_uint))


_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass
class Load:
    """What came of it. `peers` is how many all answers listed."""

    seconds: float = 0.0
    answered: int = 0
    refused: int = 0
    lost: int = 0
    peers: int = 0


class Source:
    """An address of this machine from which peers announce, one after the other, round and round.

    Raises:
        MinibitError: the tracker does not answer.
    """

    def __init__(self, address: str, tracker: tuple[str, int], info_hash: bytes, peers: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.bind((address, 0))
        self._socket.connect(tracker)
        connection = self._connected(tracker)
        self._socket.setblocking(True)
        patience = struct.pack("ll", 0, int(PATIENCE * 1e6))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
        self._requests = [
            encode_request(AnnounceRequest(connection, number, announce(info_hash, address, number)))
            for number in range(peers)
        ]
        self._out = _messages(self._requests)
        self._buffers = [ctypes.create_string_buffer(ROOM) for _ in range(BATCH)]
        self._in = _messages(self._buffers)
        self._next = 0
        self.rounds = 0  # how often each of its peers has announced

    def press(self, load: Load, seconds: float, at_a_time: int) -> None:
        """Keep so many announces unanswered for so long, and add to `load` what came of it."""
        begun = now = time.monotonic()
        out = 0
        while now - begun < seconds:
            out += self._send(at_a_time - out)
            answers = self._receive()
            if answers:
                self._look(load, answers)
                out = max(0, out - answers)
            else:
                load.lost += out
                out = 0
            now = time.monotonic()
        while out and (answers := self._receive()):  # they are not for whoever presses next
            out -= answers
        load.seconds += now - begun

    def close(self) -> None:
        self._socket.close()

    def _connected(self, tracker: tuple[str, int]) -> int:
        """The connection id; asked for again and again, for a tracker may begin with HTTP."""
        self._socket.settimeout(CONNECT_SECONDS)
        for _ in range(CONNECTS):
            with suppress(OSError):
                self._socket.send(encode_request(Connect(1)))
                reply = decode_reply(self._socket.recv(ROOM))
                if isinstance(reply, Connected):
                    return reply.connection
            time.sleep(CONNECT_SECONDS)
        raise MinibitError(f"the tracker at {tracker} does not answer over UDP")

    def _send(self, count: int) -> int:
        count = min(count, len(self._requests) - self._next)
        if count <= 0:
            return 0
        sent = _LIBC.sendmmsg(self._socket.fileno(), ctypes.byref(self._out[self._next]), count, 0)
        if sent < 0:
            _raise()
            return 0
        self._next += sent
        if self._next == len(self._requests):
            self._next, self.rounds = 0, self.rounds + 1
        return int(sent)

    def _receive(self) -> int:
        got = _LIBC.recvmmsg(self._socket.fileno(), self._in, BATCH, MSG_WAITFORONE, None)
        if got < 0:
            _raise()
            return 0
        return int(got)

    def _look(self, load: Load, answers: int) -> None:
        for number in range(answers):
            length = self._in[number].length
            action, transaction = _ANSWER.unpack_from(self._buffers[number])
            peers, rest = divmod(length - _HEAD, 6)
            if action == 1 and not rest and transaction < len(self._requests):
                load.answered += 1
                load.peers += peers
            else:
                load.refused += 1


def announce(info_hash: bytes, address: str, number: int) -> Announce:
    """What the peer of this number at `address` says; every other one is a seed."""
    peer_id = b"-PR0001-" + socket.inet_aton(address) + b"%08d" % number
    return Announce(info_hash, peer_id, PORTS + number, 0, 0, number % 2, Event.NONE, NUMWANT, None)


def _messages(buffers: list[bytes] | list[ctypes.Array[ctypes.c_char]]) -> ctypes.Array[_Message]:
    """A message for each buffer, which somebody else keeps alive."""
    messages = (_Message * len(buffers))()
    for message, buffer in zip(messages, buffers, strict=True):
        place = ctypes.cast(ctypes.c_char_p(buffer) if isinstance(buffer, bytes) else buffer, ctypes.c_void_p)
        message.header.vectors = ctypes.pointer(_Vector(place, len(buffer)))
        message.header.vector_count = 1
    return messages


def _raise() -> None:
    """Whatever went wrong, unless it is that nothing is there."""
    number = ctypes.get_errno()
    if number not in (EAGAIN, EINTR):
        raise OSError(number, os.strerror(number))
