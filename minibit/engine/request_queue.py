"""What a neighbour waits for: its requests, kept by block, so that an uploader can serve block by block.

Adding a request, taking one back and serving the next of a block cost the same however many wait: a
neighbour may cancel as fast as its line allows. Within a block, requests are known by where they begin and
how long they are: to hash those numbers costs a tenth of what hashing a request does.
"""

from collections.abc import Iterator
from math import ceil

from minibit.torrent.layout import CHUNK_SIZE
from minibit.wire.messages import MAX_REQUEST, Request


class RequestQueue:
    """Requests by block, each block's in the order in which they came; `blocks` is the set of those."""

    def __init__(self) -> None:
        self.blocks = 0
        self._by_block: dict[int, dict[tuple[int, int], Request]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, request: Request) -> bool:
        return (request.begin, request.length) in self._by_block.get(request.index, ())

    def __iter__(self) -> Iterator[Request]:
        for requests in self._by_block.values():
            yield from requests.values()

    @property
    def oldest(self) -> int:
        """The block that has been waited for longest; there must be one."""
        return next(iter(self._by_block))

    def add(self, request: Request) -> bool:
        """One request more; returns whether it was not here already."""
        requests = self._by_block.get(request.index)
        if requests is None:
            requests = self._by_block[request.index] = {}
            self.blocks |= 1 << request.index
        if (key := (request.begin, request.length)) in requests:
            return False
        requests[key] = request
        self._count += 1
        return True

    def remove(self, request: Request) -> bool:
        """Forget this request; returns whether it was here."""
        requests = self._by_block.get(request.index)
        if requests is None or requests.pop((request.begin, request.length), None) is None:
            return False
        self._count -= 1
        if not requests:
            self._close(request.index)
        return True

    def cut_out(self, taken_back: Request, block_length: int) -> list[Request]:
        """Forget the chunks of this request wherever they are asked for together with others; returns them.
        What is left of those requests comes last.

        There are few places where one may begin and end that reaches here, whatever is queued.
        """
        begin, end = taken_back.begin, taken_back.begin + taken_back.length
        removed: list[Request] = []
        for start in range(max(0, begin - MAX_REQUEST + CHUNK_SIZE), end, CHUNK_SIZE):
            longest = min(start + MAX_REQUEST, block_length)
            for stop in (*range(start + CHUNK_SIZE, longest, CHUNK_SIZE), longest):
                request = Request(taken_back.index, start, stop - start)
                if stop <= begin or request not in self:
                    continue
                first, last = max(begin, start), min(end, stop)
                for rest in ((start, first), (last, stop)):
                    if rest[0] < rest[1]:
                        self.add(_part(request, *rest))
                self.remove(request)
                removed.append(_part(request, first, last))
        return removed

    def take(self, block: int, room: float, longest: float | None = None) -> tuple[list[Request], int]:
        """The next requests of this block, which must have one: those that begin within `room` bytes, at
        least one, and the bytes that they ask for.

        With `longest`, the first that is longer than so many bytes, or than the room that is left, is cut at
        the next chunk: its first part is the last that is taken, the other comes next.
        """
        requests = self._by_block[block]
        taken: list[Request] = []
        size, rest = 0, None
        for request in requests.values():
            if longest is not None:
                request, rest = _cut(request, min(longest, room - size))
            taken.append(request)
            size += request.length
            if size >= room or rest is not None:
                break
        if rest is not None:
            self._replace(block, [rest, *list(requests.values())[len(taken) :]])
        elif len(taken) == len(requests):
            self._replace(block, [])
        else:
            for request in taken:
                del requests[request.begin, request.length]
            self._count -= len(taken)
        return taken, size

    def drop(self, blocks: int) -> list[Request]:
        """Forget all requests of these blocks; returns them."""
        dropped: list[Request] = []
        for block in [block for block in self._by_block if blocks >> block & 1]:
            dropped += self._by_block[block].values()
            self._close(block)
        self._count -= len(dropped)
        return dropped

    def _replace(self, block: int, requests: list[Request]) -> None:
        """What is waited for of this block is this now."""
        left = {(request.begin, request.length): request for request in requests}
        self._count += len(left) - len(self._by_block[block])
        if left:
            self._by_block[block] = left
        else:
            self._close(block)

    def _close(self, block: int) -> None:
        del self._by_block[block]
        self.blocks ^= 1 << block


def _cut(request: Request, most: float) -> tuple[Request, Request | None]:
    """The chunks of this request that begin within `most` bytes, and the others."""
    length = ceil(most / CHUNK_SIZE) * CHUNK_SIZE
    if request.length <= length:
        return request, None
    middle = request.begin + length
    return _part(request, request.begin, middle), _part(request, middle, request.begin + request.length)


def _part(request: Request, begin: int, end: int) -> Request:
    return Request(request.index, begin, end - begin)
