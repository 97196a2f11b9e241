"""What is new here and neighbours have not been told: when they are to be told, and which of them.

A HAVE alone costs either end a turn of Python, more than a small block does, and each block is told to each
neighbour: HAVEs × neighbours is what a large swarm costs. So on a fast link those of a while go together.
With many neighbours, all peers tell at the same moments, the multiples of `MANY_SECONDS` on their clocks: who
is told by forty at one moment wakes once. In virtual time a crowd of fifty takes 1 % longer for that, and
7 % longer with moments 0.25 s apart; so they are further apart only for who is late with each of them, as its
machine has more to do than it can, and all are then told less often too. Who has had nothing to tell for a
while, because its link is slow, does not wait, and neither does who is complete.

Of many, most are choked and wait for us already: they can do nothing with what is new but count its copies.
They are told once in `LATE_SECONDS`, and what is left when they are unchoked; the others, who may ask us for
it or are to become interested, at each of those moments. (While we are late, and somebody waits for a slot of
ours already, nobody need hurry to want one too: fifty peers on two cores end 8 % sooner by that.) Who has
nothing for us just now is told that once in `LATE_SECONDS` too, if it has nothing still: most have something
again before, and each change of mind would cost them a choice of whom to serve.
"""

from typing import Final

from minibit.engine.neighbour import Neighbour
from minibit.engine.standing import Standing
from minibit.wire.messages import Haves, NotInterested

FEW: Final = 12  # neighbours
FEW_SECONDS: Final = 0.05  # between two tellings of few…
MANY_SECONDS: Final = 1 / 16  # …and of many: exact in binary, and so are its multiples
LATE_SECONDS: Final = 1.0  # between two tellings of all of many
PAUSE_SECONDS: Final = 0.5
MAX_MANY_SECONDS: Final = 0.5  # what a peer that is always late stretches `MANY_SECONDS` to, at most…
STRETCH: Final = 8.0  # …and so many times as long as it is late, in between…
ALL_MOMENTS: Final = 8  # …and so many moments are then between two tellings of all


class News:
    """Something may be new since neighbours were last told."""

    def __init__(self) -> None:
        self._many = False  # whether many were told last
        self._told_at = float("-inf")
        self._step = MANY_SECONDS  # between two moments
        self._all_due = float("inf")  # when everybody is to be told…
        self.due = float("inf")  # …and when those who wait for it are; infinity if there is no news

    def add(self, now: float) -> None:
        """There is something new now."""
        if self.due == float("inf"):
            if self._many and now < self._told_at + PAUSE_SECONDS:
                self.due = (now // self._step + 1) * self._step
            else:
                self.due = max(now, self._told_at + FEW_SECONDS)
            if self._all_due == float("inf"):
                seldom = max(LATE_SECONDS, ALL_MOMENTS * self._step)
                self._all_due = (now // seldom + 1) * seldom

    def hurry(self) -> None:
        """What there is to be told does not wait."""
        self.due = self._all_due = float("-inf")

    def next_deadline(self) -> float:
        """When somebody is to be told next; infinity if there is no news."""
        return min(self.due, self._all_due)

    def tell(self, standing: Standing, now: float) -> None:
        """If it is time, tell neighbours which blocks are new since they were last told: HAVE to those who
        need it, and if everybody is told, to those of whom nothing more is wanted that we are not interested
        any more."""
        if now < (due := self.next_deadline()):
            return
        standing.lateness.add(now - due)
        self._stretch(standing.lateness.seconds)
        have, missing, outbox = standing.blocks.have, standing.blocks.missing, standing.outbox
        greeted = [n for n in standing.neighbours.values() if n.greeted]
        everybody = self.take(len(greeted), now)
        queued = self._step > MANY_SECONDS and any(neighbour.waits for neighbour in greeted)
        told: dict[int, list[int]] = {}
        for neighbour in greeted:
            news = have & ~neighbour.told
            if news and (everybody or awaited(neighbour, news, queued=queued)):
                neighbour.told = have
                # A MiniBit neighbour ranks us by what we hold; to others a block they hold is no news.
                if not neighbour.minibit:
                    news &= ~neighbour.blocks
                told.setdefault(news, []).append(neighbour.key)
            supply = neighbour.supply
            if everybody and supply.interesting and not neighbour.blocks & missing:
                supply.interesting = False
                outbox.send(neighbour.key, NotInterested())
        for news, keys in told.items():
            if news:
                outbox.tell(tuple(keys), Haves(news))

    def _stretch(self, late: float) -> None:
        """Moments are the further apart the later we are, by doubling: those of others lie among them."""
        self._step = MANY_SECONDS
        while self._step < min(MAX_MANY_SECONDS, STRETCH * late):
            self._step *= 2

    def take(self, neighbours: int, now: float) -> bool:
        """So many neighbours are there now that some are to be told; whether all of them are."""
        self.due, self._told_at = float("inf"), now
        self._many = neighbours > FEW
        everybody = not self._many or now >= self._all_due
        if everybody:
            self._all_due = float("inf")
        return everybody


def awaited(neighbour: Neighbour, news: int, *, queued: bool) -> bool:
    """Whether this neighbour can do something with these blocks, new here, but count them.

    If somebody waits for a slot (`queued`), to become interested is only to wait as well.
    """
    if neighbour.demand.unchoked_since is not None or neighbour.origin:
        return True
    return not (queued or neighbour.demand.interested) and bool(news & ~neighbour.blocks)
