"""Message stream encryption (MSE, "PE"), sans-I/O: what two clients say before they say anything legible.

It hides a connection from networks that slow BitTorrent down, and proves nothing about who is at the other
end. Steps, as Vuze's specification has them (there is no BEP): the two agree on a secret `S` by
Diffie-Hellman; who dialled proves that it knows the share by its info hash; a cipher is chosen; what follows
is RC4 in both directions, or plain if both like that.

    dialler   Y, 0–512 bytes of padding
    answerer  Y, 0–512 bytes of padding
    dialler   sha1("req1" S), sha1("req2" info hash) ^ sha1("req3" S),
              RC4(eight zeros, ciphers, padding, first data)
    answerer  RC4(eight zeros, cipher, padding)

Chance is an argument. Everything is bounded: nobody makes us keep more than `MAX_HELD` bytes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from hashlib import sha1
from typing import Final

from minibit.errors import RemoteProtocolError
from minibit.wire.encryption import Cipher
from minibit.wire.messages import PROTOCOL

PRIME: Final = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22"
    "514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A36210000000000090563",
    16,
)
GENERATOR: Final = 2
KEY_BYTES: Final = 96
SECRET_BYTES: Final = 20  # the specification: 128 bits at least, more than 160 are of no use
MAX_PADDING: Final = 512
MAX_FIRST: Final = 4096  # bytes of first data: a handshake and a few messages
MAX_HELD: Final = KEY_BYTES + 2 * MAX_PADDING + MAX_FIRST + 256
DISCARDED: Final = 1024  # of RC4's output: what comes first is weak
VERIFIER: Final = bytes(8)
LEGIBLE: Final = bytes([len(PROTOCOL)]) + PROTOCOL  # how a connection begins that is not encrypted

# What a browser or a port scan begins with, which a key does once in a billion times: turned away at once.
KNOWN: Final = (
    b"GET ",
    b"HEAD",
    b"POST",
    b"PUT ",
    b"OPTI",
    b"SSH-",
    b"\x16\x03\x01\x02",
    b"\x16\x03\x01\x00",
)
KNOWN_BYTES: Final = 4


class Opening(ABC):
    """One side of the exchange. Feed what arrives to `receive` and send what it returns, until it is `done`.

    Then `cipher` is what was agreed on, `rest` is what came behind the exchange, legible, and `seal` and
    `unseal` are for all that follows.

    Args:
        info_hash: of the share that this is about.
        ciphers: those that we accept, the best first.
        secret: `SECRET_BYTES` bytes of chance.
        padding: at most `MAX_PADDING` bytes of chance.
    """

    def __init__(self, info_hash: bytes, ciphers: Sequence[Cipher], secret: bytes, padding: bytes) -> None:
        self.done = False
        self.cipher = Cipher.PLAIN
        self.rest = b""
        self._info_hash = info_hash
        self._ciphers = ciphers
        self._secret = int.from_bytes(secret)
        self._padding = padding
        self._held = bytearray()
        self._say = bytearray()
        self._encrypt: Callable[[bytes], bytes] = bytes
        self._decrypt: Callable[[bytes | memoryview], bytes] = bytes
        self._steps = self._exchange()
        next(self._steps)

    def receive(self, data: bytes) -> bytes:
        """These bytes came; returns what is to be sent now.

        Raises:
            RemoteProtocolError: the other side does not keep to the exchange, or is about another share.
        """
        self._held += data
        next(self._steps, None)
        if len(self._held) > MAX_HELD:
            raise RemoteProtocolError("says too much before its encryption stands")
        said, self._say = bytes(self._say), bytearray()
        return said

    def seal(self, data: bytes) -> bytes:
        """`data` as it is to be sent."""
        return self._encrypt(data) if self.cipher is Cipher.RC4 else data

    def unseal(self, data: bytes | memoryview) -> bytes | memoryview:
        """`data` as it was meant."""
        return self._decrypt(data) if self.cipher is Cipher.RC4 else data

    @abstractmethod
    def _exchange(self) -> Generator[None]:
        """The steps; each `yield` waits for more bytes."""

    def _wait(self, count: int) -> Generator[None]:
        """Until so many bytes are here."""
        while len(self._held) < count:
            yield

    def _take(self, count: int) -> Generator[None, None, bytes]:
        """The next `count` bytes, as they came."""
        yield from self._wait(count)
        taken = bytes(self._held[:count])
        del self._held[:count]
        return taken

    def _take_sealed(self, count: int) -> Generator[None, None, bytes]:
        return self._decrypt((yield from self._take(count)))

    def _find(self, mark: bytes) -> Generator[None, None, None]:
        """Let pass what comes up to this mark, and the mark: nobody says how long a padding is."""
        while (position := self._held.find(mark, 0, MAX_PADDING + len(mark))) < 0:
            if len(self._held) >= MAX_PADDING + len(mark):
                raise RemoteProtocolError("neither speaks BitTorrent nor encrypts it for this share")
            yield
        del self._held[: position + len(mark)]

    def _public(self) -> bytes:
        return pow(GENERATOR, self._secret, PRIME).to_bytes(KEY_BYTES)

    def _agree(self, theirs: bytes, *, dialled: bool) -> bytes:
        """The common secret; from now on both ciphers stand."""
        from Crypto.Cipher import ARC4  # few connections need it, and every start would wait for it

        public = int.from_bytes(theirs)
        if not 1 < public < PRIME - 1:  # the secret would be one that everybody knows
            raise RemoteProtocolError("offers a key that hides nothing")
        common = pow(public, self._secret, PRIME).to_bytes(KEY_BYTES)
        keys = [sha1(name + common + self._info_hash).digest() for name in (b"keyA", b"keyB")]
        ours, others = (ARC4.new(key, drop=DISCARDED) for key in (keys if dialled else keys[::-1]))
        self._encrypt, self._decrypt = ours.encrypt, others.decrypt
        return common

    def _finish(self, cipher: Cipher, first: bytes) -> None:
        self.cipher, self.done = cipher, True
        self.rest = first + bytes(self.unseal(bytes(self._held)))
        self._held.clear()


class Dialler(Opening):
    """The side that connected: it speaks first, `start` is what it says."""

    @property
    def start(self) -> bytes:
        return self._public() + self._padding

    def _exchange(self) -> Generator[None]:
        yield
        common = self._agree((yield from self._take(KEY_BYTES)), dialled=True)
        self._say += sha1(b"req1" + common).digest() + _proof(self._info_hash, common)
        self._say += self._encrypt(VERIFIER + sum(self._ciphers).to_bytes(4) + bytes(2) + bytes(2))
        yield from self._find(self._decrypt(VERIFIER))
        chosen = int.from_bytes((yield from self._take_sealed(4)))
        if chosen not in self._ciphers:
            raise RemoteProtocolError("chooses a cipher that was not offered")
        yield from self._take_sealed(_bounded((yield from self._take_sealed(2)), MAX_PADDING))
        self._finish(Cipher(chosen), b"")


class Answerer(Opening):
    """The side that was dialled. If the other one begins in the clear, that is noticed and let be: then it is
    done at once, with `Cipher.PLAIN`, unless plain is not accepted."""

    def _exchange(self) -> Generator[None]:
        yield
        while LEGIBLE.startswith(self._held[: len(LEGIBLE)]):
            if len(self._held) >= len(LEGIBLE):
                if Cipher.PLAIN not in self._ciphers:
                    raise RemoteProtocolError("speaks in the clear, and we require encryption")
                self._finish(Cipher.PLAIN, b"")
                return
            yield
        yield from self._wait(KNOWN_BYTES)
        if bytes(self._held[:KNOWN_BYTES]) in KNOWN:
            raise RemoteProtocolError("the other side does not speak BitTorrent")
        common = self._agree((yield from self._take(KEY_BYTES)), dialled=False)
        self._say += self._public() + self._padding
        yield from self._find(sha1(b"req1" + common).digest())
        if (yield from self._take(20)) != _proof(self._info_hash, common):
            raise RemoteProtocolError("asks for another share")
        if (yield from self._take_sealed(len(VERIFIER))) != VERIFIER:
            raise RemoteProtocolError("encrypts by a key that is not ours")
        offered = int.from_bytes((yield from self._take_sealed(4)))
        yield from self._take_sealed(_bounded((yield from self._take_sealed(2)), MAX_PADDING))
        first = yield from self._take_sealed(_bounded((yield from self._take_sealed(2)), MAX_FIRST))
        chosen = next((cipher for cipher in self._ciphers if cipher & offered), None)
        if chosen is None:
            raise RemoteProtocolError("encrypts in no way that we accept")
        self._say += self._encrypt(VERIFIER + chosen.to_bytes(4) + bytes(2))
        self._finish(chosen, first)


def _proof(info_hash: bytes, common: bytes) -> bytes:
    """What shows that a side knows the share, to whom knows it too, and to nobody else."""
    one, other = sha1(b"req2" + info_hash).digest(), sha1(b"req3" + common).digest()
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _bounded(wire: bytes, most: int) -> int:
    length = int.from_bytes(wire)
    if length > most:
        raise RemoteProtocolError(f"announces {length} bytes where at most {most} may come")
    return length
