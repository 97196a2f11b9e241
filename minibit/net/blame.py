"""What went wrong between us and others, as far as people are told: so many lines of each kind."""

from collections.abc import Callable
from typing import Final

from minibit.address import Address

MAX_BLAMED: Final = 256  # machines
MAX_MISTAKEN: Final = 8  # of them that we dialled and that never greeted: it is who named them that lies
MAX_BANNED: Final = 256  # bans that are told
MAX_OURSELVES: Final = 16  # times that we could let nobody in


class Blame:
    """`tell` is handed a line about each machine's first fault: one that comes back for ever is no news."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._blamed: set[str] = set()
        self._banned = self._excuses = self._mistaken = 0

    def put_on(self, address: Address, reason: str, *, mistaken: bool = False) -> None:
        """Whoever is at this address was hung up on, and why; `mistaken`: it may well be no peer at all."""
        ip, port = address
        if ip in self._blamed or len(self._blamed) >= MAX_BLAMED:
            return
        if mistaken and self._mistaken >= MAX_MISTAKEN:
            return
        self._mistaken += mistaken
        self._blamed.add(ip)
        self._tell(f"hung up on {ip} port {port}: {reason}")

    def banned(self, address: Address | None, reason: str) -> None:
        """Whoever is at this address (None: has left) was banned, and why."""
        if self._banned < MAX_BANNED:
            self._banned += 1
            where = "that has left" if address is None else f"at {address[0]} port {address[1]}"
            self._tell(f"banned the peer {where}: {reason}")

    def ourselves(self, reason: str) -> None:
        """Nobody could be let in, for a reason on our side."""
        if self._excuses < MAX_OURSELVES:
            self._excuses += 1
            self._tell(f"cannot accept a connection: {reason}")
