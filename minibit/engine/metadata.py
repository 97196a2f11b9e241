"""A share's metadata (BEP 9): fetched from neighbours until its hash is right, and given to who asks.

Its pieces are asked of several neighbours at once. If the whole is wrong, nobody knows who spoilt it, so from
then on one neighbour at a time is to send all of it: who then sends what is wrong is a liar, and hung up on.
Who is silent or refuses rests for a while. How large it is only neighbours say: what most of them say is
tried first, one size at a time; if that takes too long, another size or another neighbour gets its turn. So
of all that liars may send, no more is held than one metadata, and none keeps the honest waiting for ever.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from minibit.engine.effects import PeerId
from minibit.engine.extensions import Handler, Say
from minibit.engine.neighbour import Neighbour
from minibit.engine.rates import TokenBucket
from minibit.engine.standing import Standing
from minibit.errors import RemoteProtocolError
from minibit.torrent.bencode import MAX_BYTES
from minibit.wire import metadata as m
from minibit.wire.extended import ExtendedHandshake

MAX_METADATA: Final = MAX_BYTES  # what is larger could not be read from a .torrent either
WINDOW: Final = 4  # pieces asked of one neighbour at a time
PATIENCE: Final = 10.0  # s that a neighbour may take for a piece
REST: Final = 30.0  # s for which who is silent or refuses is not asked
ATTEMPT_SECONDS: Final = 60.0  # before another size or neighbour gets its turn; doubled each time
MAX_LIARS: Final = 1000
SERVED_BURST: Final = 32  # pieces that one neighbour is sent at once…
SERVED_PER_SECOND: Final = 16.0  # …and in the long run


class Source(Struct):
    """A neighbour that has the metadata, by what it says: `asked` are pieces, and when each was asked for."""

    size: int
    asked: dict[int, float] = field(default_factory=dict)
    rests_until: float = 0.0


class Attempt(Struct):
    """Metadata of one size on its way; `alone` is who is to send all of it, None if everybody may."""

    size: int
    alone: int | None
    end: float
    pieces: dict[int, bytes] = field(default_factory=dict)
    senders: set[int] = field(default_factory=set)


class Metadata(Handler):
    """One share's. `info` is the metadata once it is known, `learnt` is called with it if it is fetched.

    `learnt` is called in the middle of an input: it must not call the engine, take long, or raise.
    """

    def __init__(
        self,
        info_hash: bytes,
        info: bytes | None = None,
        *,
        learnt: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        self.info = info
        self._info_hash = info_hash
        self._learnt = learnt
        self._sources: dict[int, Source] = {}
        self._liars: dict[PeerId, None] = {}
        self._attempt: Attempt | None = None
        self._doubtful = False  # whether one neighbour at a time is asked
        self._attempts = 0  # that took too long
        self._tried: dict[tuple[int, int | None], int] = {}  # how often each (size, who alone) did
        self._served: dict[int, TokenBucket] = {}

    @property
    def sources(self) -> int:
        """How many neighbours have something to send, as far as they say."""
        return len(self._sources)

    @property
    def progress(self) -> tuple[int, int]:
        """(bytes that are here, bytes in all) of what is being fetched; nothing of nothing is (0, 0)."""
        attempt = self._attempt
        return (0, 0) if attempt is None else (sum(map(len, attempt.pieces.values())), attempt.size)

    def hello(self, ours: ExtendedHandshake) -> ExtendedHandshake:
        return ours if self.info is None else replace(ours, metadata_size=len(self.info))

    def met(self, neighbour: Neighbour, theirs: ExtendedHandshake, now: float) -> Iterable[Say]:
        size = theirs.metadata_size
        if self.info is not None or not size or not neighbour.extensions.get(m.NAME):
            return ()
        if size > MAX_METADATA:
            raise RemoteProtocolError(f"says that its metadata has more than {MAX_METADATA} bytes")
        if neighbour.source in self._liars:
            raise RemoteProtocolError("sent wrong metadata before")
        known = self._sources.get(neighbour.key)
        if known is None or known.size != size:
            self._sources[neighbour.key] = Source(size)
        return self._ask(now)

    def hear(self, neighbour: Neighbour, body: bytes, now: float) -> Iterable[Say]:
        match m.decode(body):
            case m.Request(piece):
                return (self._answer(neighbour.key, piece, now),)
            case m.Data() as data:
                return self._take(neighbour, data, now)
            case m.Reject(piece):
                source = self._sources.get(neighbour.key)
                if source is not None and source.asked.pop(piece, None) is not None:
                    self._rest(source, now)
                    return self._ask(now)
        return ()

    def tick(self, standing: Standing, now: float) -> Iterable[Say]:
        del standing
        for source in self._sources.values():
            if any(now - at > PATIENCE for at in source.asked.values()):
                self._rest(source, now)
        attempt = self._attempt
        if attempt is not None and now >= attempt.end:
            self._attempts += 1
            tried = attempt.size, attempt.alone
            self._tried[tried] = self._tried.get(tried, 0) + 1
            if self._choice(now) != tried:
                self._drop()
            else:
                attempt.end = now + ATTEMPT_SECONDS
        return self._ask(now)

    def parted(self, key: int, now: float) -> Iterable[Say]:
        self._served.pop(key, None)
        if self._sources.pop(key, None) is None:
            return ()
        if self._attempt is not None and self._attempt.alone == key:
            self._drop()
        return self._ask(now)

    # --- ours

    def _ask(self, now: float) -> list[Say]:
        """Ask for what is still to be asked for, of everybody who may be asked."""
        if self.info is not None:
            return []
        choice = self._choice(now)
        if choice is not None and (self._attempt is None or not self._alive(self._attempt, now)):
            self._drop()
            patience = ATTEMPT_SECONDS * 2 ** min(self._attempts, 10)
            self._attempt = Attempt(*choice, end=now + patience)
        attempt = self._attempt
        if attempt is None:
            return []
        suppliers = [
            (key, source) for key, source in self._sources.items() if self._may(attempt, key, source)
        ]
        taken = attempt.pieces.keys() | {piece for _, source in suppliers for piece in source.asked}
        todo = (piece for piece in range(m.piece_count(attempt.size)) if piece not in taken)
        wishes: list[Say] = []
        ready = [(key, source) for key, source in suppliers if source.rests_until <= now]
        for _ in range(WINDOW):  # by turns, so that few pieces come from many
            for key, source in ready:
                if len(source.asked) < WINDOW and (piece := next(todo, None)) is not None:
                    source.asked[piece] = now
                    wishes.append(Say(key, m.Request(piece).encode()))
        return wishes

    def _choice(self, now: float) -> tuple[int, int | None] | None:
        """Which size to fetch next, and who is to send all of it, if one is to; None if nobody is ready."""
        ready = [(key, each) for key, each in self._sources.items() if each.rests_until <= now]
        sizes = Counter(source.size for _, source in ready)
        choices = [(each.size, key if self._doubtful else None) for key, each in ready]
        return min(choices, key=lambda c: (self._tried.get(c, 0), -sizes[c[0]], c[0]), default=None)

    def _alive(self, attempt: Attempt, now: float) -> bool:
        """Whether somebody sends it, or will be ready to before others are."""
        return any(
            self._may(attempt, key, source) and (source.asked or source.rests_until <= now)
            for key, source in self._sources.items()
        )

    @staticmethod
    def _may(attempt: Attempt, key: int, source: Source) -> bool:
        return source.size == attempt.size and attempt.alone in (None, key)

    def _rest(self, source: Source, now: float) -> None:
        source.asked.clear()
        source.rests_until = now + REST

    def _drop(self) -> None:
        self._attempt = None
        for source in self._sources.values():
            source.asked.clear()

    def _take(self, neighbour: Neighbour, data: m.Data, now: float) -> Iterable[Say]:
        source, attempt = self._sources.get(neighbour.key), self._attempt
        if source is None or attempt is None or source.asked.pop(data.piece, None) is None:
            return ()  # what comes late, or was never asked for
        if len(data.data) != m.piece_length(attempt.size, data.piece):
            raise RemoteProtocolError(f"metadata: {len(data.data)} bytes are not piece {data.piece}")
        neighbour.patience.regain(1)
        attempt.pieces[data.piece] = data.data
        attempt.senders.add(neighbour.key)
        if len(attempt.pieces) == m.piece_count(attempt.size):
            self._check(neighbour, attempt)
        return self._ask(now)

    def _check(self, neighbour: Neighbour, attempt: Attempt) -> None:
        """All of it is here.

        Raises:
            RemoteProtocolError: it is wrong, and this neighbour has sent all of it.
        """
        info = b"".join(attempt.pieces[piece] for piece in sorted(attempt.pieces))
        self._drop()
        if hashlib.sha1(info).digest() == self._info_hash:
            self.info = info
            self._sources.clear()
            self._liars.clear()
            self._learnt(info)
        elif attempt.senders == {neighbour.key}:
            self._liars[neighbour.source] = None
            if len(self._liars) > MAX_LIARS:
                del self._liars[next(iter(self._liars))]
            raise RemoteProtocolError("sent metadata that is not this share's")
        else:
            self._doubtful = True

    # --- theirs

    def _answer(self, key: int, piece: int, now: float) -> Say:
        served = self._served.get(key)
        if served is None:
            served = self._served[key] = TokenBucket(SERVED_PER_SECOND, SERVED_BURST, now)
        length = 0 if self.info is None else m.piece_length(len(self.info), piece)
        if self.info is None or not length or not served.ready(now):
            return Say(key, m.Reject(piece).encode())
        served.take(1)
        at = piece * m.PIECE_SIZE
        return Say(key, m.Data(piece, len(self.info), self.info[at : at + length]).encode())
