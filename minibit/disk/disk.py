"""One share on one disk as a node uses it: blocks that arrive, chunks to be sent, and the threads for both.

Whatever may wait for the disk happens in these threads. What became of it is an outcome, which the owner
takes when it is woken: one wake-up serves all outcomes until it comes.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from minibit.disk.ledger import Ledger
from minibit.disk.reader import Read, Reader
from minibit.disk.storage import Storage
from minibit.disk.threads import Threads
from minibit.disk.writer import Writer
from minibit.torrent.metainfo import Metainfo

READERS: Final = 1  # a second one is no faster, and costs the loop turns of Python
WRITERS: Final = 2  # one block is hashed while another is written: half as fast again where writing is slow


class Verified(Struct, frozen=True):
    """This block was good and is written, or it was corrupt."""

    block: int
    good: bool


class Lost(Struct, frozen=True):
    """These blocks, found good before, are good no more: somebody else has changed a file."""

    blocks: int


class Present(Struct, frozen=True):
    """Every file is where it belongs, as we left it."""


Outcome = Verified | Lost | Present | Read | Exception
"""What a thread has done. An exception is an error of the disk, or a bug, and nothing comes after it."""


class Disk:
    """The disk side of one share.

    Args:
        have: the blocks that lie there already, and are good.
        max_open: how many blocks may be on their way to the disk at a time.
        links: how many connections may be served at a time.
        wake: called in a thread when there are outcomes; `outcomes` is to be called soon after.
    """

    def __init__(
        self,
        metainfo: Metainfo,
        storage: Storage,
        have: int,
        *,
        max_open: int,
        links: int,
        wake: Callable[[], None],
    ) -> None:
        self.layout = metainfo.layout
        self._ledger = Ledger(metainfo, storage, have)
        self._writing = False
        self.looking = 0  # calls of `check_present` that have not been answered
        self._wake = wake
        self._woken = False
        self._outcomes: deque[Outcome] = deque()
        self._readers = Threads("minibit-read", READERS, self._post)
        self._writers = Threads("minibit-write", WRITERS, self._post)
        self.reader = Reader(storage, self.layout.block_size, self._readers, links, self._post)
        self.writer = Writer(
            metainfo,
            self._ledger,
            self._writers,
            max_open,
            lambda block, good: self._post(Verified(block, good)),
            lambda blocks: self._post(Lost(blocks)),
        )

    def start(self, *, writing: bool) -> None:
        """Start the threads; those that verify and write only if there will be anything to write."""
        self._readers.start()
        self._writing = writing
        if writing:
            self._writers.start()

    def check_present(self) -> None:
        """See whether all files are as we left them: `Present`, `Lost`, or the error that says why not."""
        self.looking += 1
        (self._writers if self._writing else self._readers).put(self._check_present)

    def outcomes(self) -> Iterator[Outcome]:
        """What the threads have done since this was last called, in the order in which they did it."""
        self._woken = False
        while self._outcomes:
            yield self._outcomes.popleft()

    def stop(self) -> None:
        """Begin nothing more.

        Blocks that are being verified or written are finished, so whatever was reported as good is on
        the disk; blocks that still wait are dropped, and fetched again by the next run.
        """
        self._readers.stop()
        self._writers.stop()

    def join(self) -> None:
        """Wait for the threads to end, after `stop`: not on an event loop."""
        self._readers.join()
        self._writers.join()

    def _check_present(self) -> None:
        with self._ledger.lock:
            lost = self._ledger.look()
            self._post(Lost(lost) if lost else Present())
        self.looking -= 1

    def _post(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        if not self._woken:
            self._woken = True
            self._wake()
