"""One active peer as its tracker files it."""

from dataclasses import dataclass, field

from minibit.address import PeerAddress, is_loopback
from minibit.dialects.announce import Announce
from minibit.dialects.refusal import RequestError
from minibit.snapshot import Figures


@dataclass(slots=True)
class PeerRecord:
    """One active peer. `figures` is None until it reports some; `foreign`: it came by an announce.

    `source` is the socket address that said where it is, which `ip` need not be; `timestamp` is when it was
    last heard of. `announced`: what a foreign one said last. `met`: a process with its wire id was seen to
    connect, so it is more than a registration. `said`: what a foreign one last said of where it is and
    whether it is complete, and from where; None until it did. `address` follows from the rest: many are told
    of it.
    """

    name: str
    ip: str
    port: int
    bt_id: bytes | None = None
    figures: Figures | None = None
    origin: bool = False
    foreign: bool = False
    source: str = ""
    timestamp: float = 0.0
    met: bool = False
    announced: Announce | None = None
    said: tuple[object, ...] | None = None
    pool: object = field(default=None, repr=False, compare=False)  # where it stands, if it does…
    place: int = field(default=-1, repr=False, compare=False)  # …and where there
    address: PeerAddress = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.locate(self.ip, self.port, self.bt_id)

    def locate(self, ip: str, port: int, bt_id: bytes | None) -> None:
        """From now on it is there, under that id. Only its manager, which has indexes, says so."""
        self.ip, self.port, self.bt_id = ip, port, bt_id
        self.address = PeerAddress(self.name, ip, port, bt_id, self.origin)

    @property
    def key(self) -> str | bytes:
        """What the peer's blocks and grant are filed under: a name lasts longer than a process's id."""
        return self.bt_id if self.foreign and self.bt_id is not None else self.name

    @property
    def taken(self) -> str:
        """What somebody else is told who wants its name."""
        return (
            f"the name {self.name!r} is active at {self.ip}:{self.port}: choose another name, "
            "or wait a minute if that peer is gone"
        )

    def obeys(self, remote: str) -> bool:
        """Whether a request from the socket address `remote` may speak for this peer.

        Names and wire ids are public in every list: only its own machine speaks for a peer, and this one.
        """
        return remote in (self.ip, self.source) or is_loopback(remote)

    def guard(self, remote: str) -> None:
        """Lets nothing pass that this peer does not obey.

        Raises:
            RequestError: `remote` does not speak for it (403).
        """
        if not self.obeys(remote):
            raise RequestError(
                f"{self.name} is active at another address: only its own machine may move or end it; "
                "choose another name, or wait a minute if that peer is gone",
                status=403,
            )
