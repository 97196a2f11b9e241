"""How much memory the requests and answers of all connections may hold together."""

from threading import Lock
from typing import Final

PENDING: Final = 64 << 20  # bytes; two full listings of 5,000 peers with 2,048 blocks each
FREE: Final = 64 << 10  # bytes of each request and answer that are not counted: what MiniBit peers exchange


class Budget:
    """Bytes that are taken before they are held and given back after. Any thread may call."""

    def __init__(self, limit: int = PENDING) -> None:
        self._limit = limit
        self._lock = Lock()
        self.held = 0

    def take(self, size: int) -> bool:
        """Whether `size` bytes more may be held; where nothing else is, even one that is beyond the limit."""
        with self._lock:
            if self.held and self.held + size > self._limit:
                return False
            self.held += size
            return True

    def give(self, size: int) -> None:
        with self._lock:
            self.held -= size
