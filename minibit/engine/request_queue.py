"""What a neighbour waits for: its requests, kept by block, so that an uploader can serve block by block.

Adding a request, taking one back and serving the next of a block cost the same however many wait: a
neighbour may cancel as fast as its line allows.
"""

from collections.abc import Iterator

from minibit.wire.messages import Request


class RequestQueue:
    """Requests by block, each block's in the order in which they came; `blocks` is the set of those."""

    def __init__(self) -> None:
        self.blocks = 0
        self._by_block: dict[int, dict[Request, None]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, request: Request) -> bool:
        return request in self._by_block.get(request.index, ())

    def __iter__(self) -> Iterator[Request]:
        for requests in self._by_block.values():
            yield from requests

    @property
    def oldest(self) -> int:
        """The block that has been waited for longest; there must be one."""
        return next(iter(self._by_block))

    def add(self, request: Request) -> None:
        """One request more, which must not be here already."""
        requests = self._by_block.get(request.index)
        if requests is None:
            requests = self._by_block[request.index] = {}
            self.blocks |= 1 << request.index
        requests[request] = None
        self._count += 1

    def remove(self, request: Request) -> bool:
        """Forget this request; returns whether it was here."""
        requests = self._by_block.get(request.index)
        if requests is None or request not in requests:
            return False
        del requests[request]
        self._count -= 1
        if not requests:
            self._close(request.index)
        return True

    def pop(self, block: int) -> Request:
        """The next request of this block, which must have one."""
        request = next(iter(self._by_block[block]))
        self.remove(request)
        return request

    def drop(self, blocks: int) -> list[Request]:
        """Forget all requests of these blocks; returns them."""
        dropped: list[Request] = []
        for block in [block for block in self._by_block if blocks >> block & 1]:
            dropped += self._by_block[block]
            self._close(block)
        self._count -= len(dropped)
        return dropped

    def _close(self, block: int) -> None:
        del self._by_block[block]
        self.blocks ^= 1 << block
