"""How many datagrams of one source are read in a second, counted in bounded memory whoever sends."""

import ipaddress
from functools import lru_cache
from typing import Final

from minibit.address import KNOWN

PER_SOURCE: Final = 500  # datagrams a second: a school behind one address, all of it starting at once
CELLS: Final = 4096


class Allowance:
    """Counts by source; sources that share one of `CELLS` counters share what is allowed.

    Which do, only `secret` knows.
    """

    def __init__(self, secret: int) -> None:
        self._secret = secret
        self._second = 0
        self._seen = [0] * CELLS

    def admits(self, ip: str, now: float) -> bool:
        """Whether one more datagram from `ip` is read."""
        if int(now) != self._second:
            self._second, self._seen = int(now), [0] * CELLS
        cell = hash((self._secret, _source(ip))) % CELLS
        self._seen[cell] += 1
        return self._seen[cell] <= PER_SOURCE


@lru_cache(KNOWN)
def _source(ip: str) -> str:
    """`ip`, or the /64 network of an IPv6 address, all of which one machine may use."""
    return str(ipaddress.ip_network((ip, 64), strict=False)) if ":" in ip else ip
