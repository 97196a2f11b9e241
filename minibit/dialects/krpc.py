"""What a client says to nodes of the DHT, and hears from them (BEP 5, read-only as BEP 43 has it).

We ask for peers and announce ourselves; we are asked nothing, and `ro` says so. Contacts are IPv4 (BEP 32 is
not spoken); peers may be of either family.
"""

from typing import Any, Final

from msgspec import Struct

from minibit.address import PACKED_FOUR, PACKED_SIX, Address, PeerAddress, compact_peers, unpacked_peers
from minibit.errors import BencodeError
from minibit.text import plain_text
from minibit.torrent import bencode, lenient

MAX_DATAGRAM: Final = 4096
MAX_NODES: Final = 20  # read of one answer; BEP 5 has 8
MAX_PEERS: Final = 100
MAX_TOKEN: Final = 64  # bytes; other clients use 4–20

_CONTACT: Final = 26


class Contact(Struct, frozen=True):
    """A node: its 20-byte id and where it is."""

    node_id: bytes
    address: Address


class GetPeers(Struct, frozen=True):
    """Who is in this swarm, and which nodes are nearer to it?"""

    transaction: bytes
    own_id: bytes
    info_hash: bytes

    def encode(self) -> bytes:
        return _query(self.transaction, "get_peers", {"id": self.own_id, "info_hash": self.info_hash})


class AnnouncePeer(Struct, frozen=True):
    """We are in this swarm, and listen on this port; `token` is what this node gave us for that."""

    transaction: bytes
    own_id: bytes
    info_hash: bytes
    port: int
    token: bytes

    def encode(self) -> bytes:
        said = {"id": self.own_id, "info_hash": self.info_hash, "port": self.port, "token": self.token}
        return _query(self.transaction, "announce_peer", said)


class Answer(Struct, frozen=True):
    """What a node answers; to an announcement only its id."""

    transaction: bytes
    node_id: bytes
    token: bytes = b""
    nodes: tuple[Contact, ...] = ()
    peers: tuple[PeerAddress, ...] = ()

    def encode(self) -> bytes:
        """As nodes write it: for those who play one."""
        said: dict[str, Any] = {"id": self.node_id}
        if self.token:
            said["token"] = self.token
        if self.nodes:
            said["nodes"] = b"".join(each.node_id + _packed(each.address) for each in self.nodes)
        if self.peers:
            said["values"] = [_packed((peer.ip, peer.port)) for peer in self.peers]
        return bencode.encode({"t": self.transaction, "y": "r", "r": said})


class Fault(Struct, frozen=True):
    """A node cannot answer."""

    transaction: bytes
    message: str = ""


def decode(datagram: bytes) -> Answer | Fault | None:
    """What a datagram says to a client; None if that is nothing."""
    try:
        said, _ = lenient.decode(datagram[:MAX_DATAGRAM])
    except BencodeError:
        return None
    if not isinstance(said, dict) or not isinstance(transaction := said.get(b"t"), bytes):
        return None
    match said.get(b"y"), said.get(b"r"), said.get(b"e"):
        case b"e", _, [_, bytes(message), *_]:
            return Fault(transaction, plain_text(message, 100))
        case b"e", _, _:
            return Fault(transaction)
        case b"r", dict(answer), _:
            node_id, token = answer.get(b"id"), answer.get(b"token")
            if not isinstance(node_id, bytes) or len(node_id) != 20:
                return None
            return Answer(
                transaction,
                node_id,
                token if isinstance(token, bytes) and len(token) <= MAX_TOKEN else b"",
                _contacts(answer.get(b"nodes")),
                _peers(answer.get(b"values")),
            )
    return None


def _query(transaction: bytes, method: str, arguments: dict[str, Any]) -> bytes:
    return bencode.encode({"t": transaction, "y": "q", "q": method, "a": arguments, "ro": 1})


def _packed(address: Address) -> bytes:
    return b"".join(compact_peers([PeerAddress("", *address)]))


def _contacts(packed: Any) -> tuple[Contact, ...]:
    if not isinstance(packed, bytes):
        return ()
    found: list[Contact] = []
    for at in range(0, min(len(packed) // _CONTACT, MAX_NODES) * _CONTACT, _CONTACT):
        places = unpacked_peers(packed[at + 20 : at + _CONTACT], 6)
        found += [Contact(packed[at : at + 20], (place.ip, place.port)) for place in places]
    return tuple(found)


def _peers(values: Any) -> tuple[PeerAddress, ...]:
    listed = values[:MAX_PEERS] if isinstance(values, list) else []
    packed = (each for each in listed if isinstance(each, bytes) and len(each) in (PACKED_FOUR, PACKED_SIX))
    return tuple(peer for each in packed for peer in unpacked_peers(each, len(each)))
