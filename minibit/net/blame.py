"""Who broke the protocol, as far as people are told: once for each machine, for a bounded number of them."""

from collections.abc import Callable
from typing import Final

from minibit.address import Address

MAX_BLAMED: Final = 256  # machines


class Blame:
    """`tell` is handed a line about each machine's first fault: one that comes back for ever is no news."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._blamed: set[str] = set()

    def put_on(self, address: Address, reason: str) -> None:
        """Whoever is at this address was hung up on, and why."""
        ip, port = address
        if ip not in self._blamed and len(self._blamed) < MAX_BLAMED:
            self._blamed.add(ip)
            self._tell(f"hung up on {ip} port {port}: {reason}")
