"""Connection ids (BEP 15): proof that whoever asks receives at his address, with nothing kept of anybody."""

from functools import lru_cache
from hashlib import blake2b
from typing import Final

from minibit.address import KNOWN

SLOT: Final = 30.0  # seconds
SLOTS: Final = 4  # that an id outlives its own: 120 to 150 s, and BEP 15 wants two minutes


def slot_at(now: float) -> int:
    """The number of the slot that `now`, in seconds, lies in."""
    return int(now // SLOT)


class ConnectionIds:
    """Ids under `secret` (at most 64 bytes).

    They stand for an IP literal without its port: libtorrent uses one id for all its sockets.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._of = lru_cache(KNOWN)(self._made)  # whoever announces shows the same id again and again

    def issue(self, ip: str, slot: int) -> int:
        """The id, 64 bits, of `ip` in `slot`."""
        return self._of(ip, slot)

    def valid(self, connection: int, ip: str, slot: int) -> bool:
        """Whether `connection` was issued to `ip` in `slot` or in one of the `SLOTS` before."""
        age = (slot - connection) & 0xFF  # an id's lowest byte says in which slot it was made
        return age <= SLOTS and connection == self._of(ip, slot - age)

    def _made(self, ip: str, slot: int) -> int:
        proof = blake2b(f"{ip} {slot}".encode(), key=self._secret, digest_size=7).digest()
        return int.from_bytes(proof, "big") << 8 | slot & 0xFF
