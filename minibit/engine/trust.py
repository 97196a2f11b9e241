"""Who sent corrupt blocks: who is only suspected, and who is proven guilty.

A block that several neighbours had a part in and whose hash is wrong proves nothing about any one of
them. Until each has supplied a good block by itself, it shares no block with others: the next corrupt one
has a single sender. Guilt and suspicion stick to a `neighbour.source`, which outlives its connection.
Bounded: strangers may bring any number of ids.
"""

from collections.abc import Set
from typing import Final

from minibit.engine.effects import PeerId

MAX_STRIKES: Final = 2  # corrupt blocks that one sender alone supplied before it is banned
MAX_REMEMBERED: Final = 1000  # peers, of either kind


class Trust:
    """What hashes have told us of those who send."""

    def __init__(self) -> None:
        self._suspects: dict[PeerId, None] = {}
        self._strikes: dict[PeerId, int] = {}

    def suspects(self, peer_id: PeerId | None) -> bool:
        """Whether this peer had a part in a corrupt block, and has not cleared itself."""
        return peer_id in self._suspects

    def good(self, senders: Set[PeerId]) -> None:
        """A block that these peers supplied was right; whoever supplied it alone is cleared."""
        if len(senders) == 1:
            (sender,) = senders
            self._suspects.pop(sender, None)

    def corrupt(self, senders: Set[PeerId], block: int) -> tuple[PeerId, str] | None:
        """A block that these peers supplied was wrong; returns whom to ban for it and why, if anybody."""
        if len(senders) > 1:
            self._suspects |= dict.fromkeys(sorted(senders))
            while len(self._suspects) > MAX_REMEMBERED:
                del self._suspects[next(iter(self._suspects))]
            return None
        (sender,) = senders
        strikes = self._strikes[sender] = self._strikes.pop(sender, 0) + 1
        if len(self._strikes) > MAX_REMEMBERED:
            del self._strikes[next(iter(self._strikes))]
        if strikes < MAX_STRIKES:
            return None
        return sender, f"sent {strikes} corrupt blocks, the last one block {block}"
