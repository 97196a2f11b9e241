"""What a neighbour waits for: its requests, kept by block, so that an uploader can serve block by block.

Adding a request, taking one back and serving the next of a block cost the same however many wait: a
neighbour may cancel as fast as its line allows. Within a block, requests are known by where they begin and
how long they are: to hash those numbers costs a tenth of what hashing a request does.
"""

from collections.abc import Iterator

from minibit.wire.messages import Request


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

    def take(self, block: int, room: float) -> tuple[list[Request], int]:
        """The next requests of this block, which must have one: those that begin within `room` bytes, at
        least one, and the bytes that they ask for."""
        requests = self._by_block[block]
        taken: list[Request] = []
        size = 0
        for request in requests.values():
            taken.append(request)
            size += request.length
            if size >= room:
                break
        if len(taken) == len(requests):
            self._close(block)
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

    def _close(self, block: int) -> None:
        del self._by_block[block]
        self.blocks ^= 1 << block
