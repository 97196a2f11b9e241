"""Peers of one address family, in an order by lot: some of them at random are a slice of it.

Beside the records stand their addresses as replies hold them, one behind the other in one buffer: fifty
peers for a reply are three hundred bytes copied at once, whatever the swarm's size.

The order is uniform: whoever comes changes places with one drawn by lot (Fisher and Yates, inside out), and
the last one takes the place of whoever goes. So a slice is a uniform sample, and everybody is as likely in it
as everybody else. Slices of one order are less independent than samples would be, for neighbours in it are
told of together. Where a slice begins is drawn each time, whoever asks, so who knows whom is a random graph
all the same; and arrivals and departures stir the order.
"""

from random import Random
from typing import TypeVar

from minibit.tracker.peer_record import PeerRecord

Line = TypeVar("Line", list[PeerRecord], bytearray)


class Pool:
    """`size`: bytes of an address with its port, `PACKED_FOUR` or `PACKED_SIX`. `records` are for reading."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.records: list[PeerRecord] = []
        self._packed = bytearray()

    def add(self, record: PeerRecord, rng: Random) -> None:
        """`record`, which is in no pool, gets a place by lot."""
        last = len(self.records)
        self.records.append(record)
        self._packed += record.address.packed
        record.pool = self
        place = int(rng.random() * (last + 1))
        if place != last:
            self._put(self.records[place], last)
        self._put(record, place)

    def remove(self, record: PeerRecord) -> None:
        """`record` is not in the pool any more."""
        last = self.records.pop()
        del self._packed[-self.size :]
        if last is not record:
            self._put(last, record.place)
        record.pool = None

    def draw(self, count: int, rng: Random, absent: PeerRecord | None = None) -> list[PeerRecord]:
        """Up to `count` peers at random, `absent` left out."""
        return self._cut(self.records, 1, count, rng, absent)

    def draw_packed(self, count: int, rng: Random, absent: PeerRecord | None = None) -> bytearray:
        """Addresses of up to `count` peers at random, that of `absent` left out."""
        return self._cut(self._packed, self.size, count, rng, absent)

    def _cut(self, line: Line, unit: int, count: int, rng: Random, absent: PeerRecord | None) -> Line:
        """Up to `count` units of `line` from a place by lot on, as if its end met its beginning."""
        everyone = len(self.records)
        if absent is None or absent.pool is not self:
            others, behind = everyone, 0
        else:
            # The others are a ring that begins behind `absent`, so that all places in it are alike.
            others, behind = everyone - 1, absent.place + 1
        if count > others:
            count = others
        if count <= 0:
            return line[:0]
        place = int(rng.random() * others)
        start = behind + place
        if start >= everyone:
            start -= everyone
        if place + count <= others and start + count <= everyone:
            return line[unit * start : unit * (start + count)]
        # It reaches over an end, of the line or of the ring: that is seldom, unless the line is short.
        ring = line[unit * behind :] + line[: unit * (behind + others - everyone)]
        return (ring + ring[: unit * count])[unit * place : unit * (place + count)]

    def _put(self, record: PeerRecord, place: int) -> None:
        self.records[place], record.place = record, place
        self._packed[self.size * place : self.size * (place + 1)] = record.address.packed
