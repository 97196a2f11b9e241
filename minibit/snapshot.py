"""The frozen figures that every display reads: tables, `--json`, `/status`, later a page and metrics.

A display never looks into an engine or a tracker: it is handed one of these values. Bitfields are ints
(bit *i* is block *i*), rates are bytes per second, sizes are bytes, durations are seconds. In JSON a
bitfield is a hex string in wire order, as in BEP 3, next to the count that it stands for.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct, to_builtins
from msgspec.structs import asdict

from minibit import bitfield
from minibit.errors import MinibitError, RemoteProtocolError
from minibit.text import plain_text

MAX_FIXED_NAMED: Final = 64
_MAX_NUMBER: Final = float(1 << 62)


class State(StrEnum):
    """What a peer is doing."""

    DOWNLOADING = "downloading"
    COMPLETE = "complete"


def served(fixed: Iterable[str], extra: Iterable[str]) -> tuple[str, ...]:
    """Whom a peer uploads to, but for the optimistic one, as tables show it: with a plus before those beyond
    its slots, and so many at most."""
    return (*fixed, *(f"+{name}" for name in extra))[:MAX_FIXED_NAMED]


class Role(StrEnum):
    """Which upload slot a neighbour has from us."""

    FIXED = "fixed"
    EXTRA = "extra"
    OPTIMISTIC = "optimistic"
    CHOKED = "choked"


class Figures(Struct, frozen=True):
    """What a peer reports of itself, to its own display and, in every heartbeat, to the tracker."""

    state: State = State.DOWNLOADING
    down_rate: float = 0.0
    up_rate: float = 0.0
    downloaded: int = 0  # payload bytes received, wasted ones included
    uploaded: int = 0
    from_origin: int = 0  # of `downloaded`
    verified: int = 0  # blocks fetched and verified since the start
    resumed: int = 0  # blocks found good on disk at the start
    dealt_by_origin: int = 0  # of the blocks that were dealt to it, those that came from the origin…
    dealt_by_peers: int = 0  # …and from peers since the start
    corrupt: int = 0  # blocks thrown away because their hash was wrong
    banned: int = 0  # peers banned for that
    completed_after: float | None = None  # seconds from start until the last block was verified
    fixed: tuple[str, ...] = ()
    optimistic: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: object) -> "Figures":
        """Figures from a stranger's JSON object; missing fields take their defaults.

        Raises:
            ValueError: a field of the wrong type or out of range.
        """
        if not isinstance(data, dict):
            raise ValueError("figures must be an object")
        fixed = data.get("fixed", [])
        if not isinstance(fixed, list | tuple) or len(fixed) > MAX_FIXED_NAMED:
            raise ValueError("fixed must be a list of names")
        optimistic = data.get("optimistic")
        completed = data.get("completed_after")
        integers = {name: int(_number(data, name)) for name in _INTEGERS}
        return cls(
            state=State(data.get("state", State.DOWNLOADING)),
            down_rate=_number(data, "down_rate"),
            up_rate=_number(data, "up_rate"),
            completed_after=None if completed is None else _number(data, "completed_after"),
            fixed=tuple(plain_text(name) for name in fixed),
            optimistic=None if optimistic is None else plain_text(optimistic),
            **integers,
        )


_INTEGERS = (
    "downloaded",
    "uploaded",
    "from_origin",
    "verified",
    "resumed",
    "dealt_by_origin",
    "dealt_by_peers",
    "corrupt",
    "banned",
)


class NeighbourRow(Struct, frozen=True):
    """One neighbour as a peer sees it."""

    name: str
    address: str
    client: str
    blocks: int
    role: Role
    interested: bool  # in us
    choking: bool  # us
    snubbed: bool
    origin: bool
    rare: int  # rare blocks that it holds
    down_rate: float
    up_rate: float
    downloaded: int  # from it
    uploaded: int  # to it


class PeerStatus(Struct, frozen=True):
    """One peer as it sees itself."""

    name: str
    port: int
    share: str
    total_size: int
    block_size: int
    block_count: int
    blocks: int
    in_flight: int
    granted: int
    rarest_copies: int  # copies of the rarest block among neighbours
    eta: float | None
    figures: Figures
    neighbours: tuple[NeighbourRow, ...]


class SwarmRow(Struct, frozen=True):
    """One active peer as the tracker knows it."""

    name: str
    ip: str
    port: int
    timestamp: float  # Unix time at which it was last heard of
    blocks: int
    given: int  # blocks that the tracker dealt to it
    origin: bool
    figures: Figures


class SwarmStatus(Struct, frozen=True):
    """The whole swarm as the tracker knows it: all that `/status` says and `minibit status` shows."""

    share: str
    total_size: int
    block_size: int
    block_count: int
    info_hash: str
    uptime: float
    rarest_copies: int  # copies of the rarest block among active peers, the origin left out
    rows: tuple[SwarmRow, ...]

    @property
    def peers(self) -> tuple[SwarmRow, ...]:
        """Everyone but the origin."""
        return tuple(row for row in self.rows if not row.origin)

    @property
    def origin(self) -> SwarmRow | None:
        return next((row for row in self.rows if row.origin), None)

    def to_json(self) -> dict[str, Any]:
        """The body of `/status`: the contract's field names first, then everything else."""
        return {
            "status": "ativo",
            "peers_ativos": len(self.peers),
            "total_blocos": self.block_count,
            "share": self.share,
            "total_size": self.total_size,
            "block_size": self.block_size,
            "info_hash": self.info_hash,
            "uptime": self.uptime,
            "rarest_copies": self.rarest_copies,
            "peers": [
                {
                    "peer_id": row.name,
                    "ip": row.ip,
                    "porta": row.port,
                    "timestamp": row.timestamp,
                    "have": row.blocks.bit_count(),
                    "bitfield": to_hex(row.blocks, self.block_count),
                    "given": row.given,
                    "origin": row.origin,
                    **row.figures.to_json(),
                }
                for row in self.rows
            ],
        }

    @classmethod
    def from_json(cls, document: object) -> "SwarmStatus":
        """The swarm that a `/status` body describes.

        Raises:
            MinibitError: not the answer of a MiniBit tracker.
        """
        try:
            if not isinstance(document, dict):
                raise ValueError("not an object")
            count = int(_number(document, "total_blocos"))
            rows = tuple(
                SwarmRow(
                    name=plain_text(entry["peer_id"]),
                    ip=plain_text(entry["ip"], 64),
                    port=int(_number(entry, "porta")),
                    timestamp=_number(entry, "timestamp"),
                    blocks=from_hex(entry["bitfield"], count),
                    given=int(_number(entry, "given")),
                    origin=entry.get("origin") is True,
                    figures=Figures.from_json(entry),
                )
                for entry in document["peers"]
            )
            return cls(
                share=plain_text(document["share"], 255),
                total_size=int(_number(document, "total_size")),
                block_size=int(_number(document, "block_size")),
                block_count=count,
                info_hash=plain_text(document["info_hash"], 40),
                uptime=_number(document, "uptime"),
                rarest_copies=int(_number(document, "rarest_copies")),
                rows=rows,
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise MinibitError(f"this is not the status of a MiniBit tracker ({error!r})") from None


def to_hex(blocks: int, count: int) -> str:
    """A bitfield as JSON carries it."""
    return bitfield.to_wire(blocks, count).hex()


def from_hex(text: str, count: int) -> int:
    """The bitfield that `to_hex` wrote.

    Raises:
        ValueError: not hex, or not of `count` blocks.
    """
    try:
        return bitfield.from_wire(bytes.fromhex(text), count)
    except RemoteProtocolError as error:
        raise ValueError(str(error)) from None


def _number(data: dict[str, Any], name: str) -> float:
    value = data.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MAX_NUMBER:
        raise ValueError(f"{name} must be a number of at least 0")
    return value


class SummaryRow(Struct, frozen=True):
    """How one peer came out of a swarm."""

    name: str
    completed_after: float | None  # seconds from its start; None if it did not complete
    downloaded: int
    from_origin: int  # of `downloaded`
    given: int  # blocks that the tracker dealt to it
    verified: int  # blocks found right when its files were read and hashed again
    stays: bool = True  # whether it was to be there until it was complete
    given_by_origin: int = 0  # of `given`, the blocks that came from the origin

    @property
    def from_peers(self) -> int:
        return max(0, self.downloaded - self.from_origin)


class Summary(Struct, frozen=True):
    """How a whole swarm came out: what `minibit swarm` says last, and all that its `--json` says."""

    share: str
    total_size: int
    block_size: int
    block_count: int
    info_hash: str
    elapsed: float
    origin_uploaded: int
    rows: tuple[SummaryRow, ...]
    simulated: bool = False  # no byte was moved: `verified` is what its engine holds

    @property
    def awaited(self) -> int:
        """How many peers were to be there until they were complete; the others may come out as they like."""
        return sum(row.stays for row in self.rows)

    @property
    def complete(self) -> int:
        """How many of those completed and hold exactly the shared bytes."""
        return sum(
            row.completed_after is not None and row.verified == self.block_count
            for row in self.rows
            if row.stays
        )

    @property
    def identical(self) -> bool:
        """Whether every one of them, and there was one, ended with exactly the shared bytes."""
        return 0 < self.awaited == self.complete

    @property
    def origin_carried(self) -> float:
        """What the origin uploaded, in sizes of the share; without trading, it is the number of peers."""
        return self.origin_uploaded / self.total_size if self.total_size else 0.0

    def to_json(self) -> dict[str, Any]:
        """The summary as JSON-ready values, what follows from the figures included."""
        document: dict[str, Any] = to_builtins(self)
        document["complete"] = self.complete
        document["identical"] = self.identical
        document["origin_carried"] = round(self.origin_carried, 3)
        document["peers"] = [
            {**entry, "from_peers": row.from_peers}
            for entry, row in zip(document.pop("rows"), self.rows, strict=True)
        ]
        return document
