"""Peer exchange messages (BEP 11): which peers of the swarm the sender has come to know, and has lost."""

from typing import Any, Final

from msgspec import Struct

from minibit.address import PACKED_FOUR, PACKED_SIX, PeerAddress, compact_peers, unpacked_peers
from minibit.errors import BencodeError, RemoteProtocolError
from minibit.torrent import bencode, lenient

NAME: Final = "ut_pex"
MAX_BODY: Final = 16 * 1024
MAX_ADDED: Final = 100  # that are read of one message: BEP 11 has 50, but in the first one
SEED: Final = 0x02
REACHABLE: Final = 0x10


class Exchange(Struct, frozen=True):
    """One message: peers that were met, each with its flags, and peers that were lost."""

    added: tuple[tuple[PeerAddress, int], ...] = ()
    dropped: tuple[PeerAddress, ...] = ()

    def encode(self) -> bytes:
        body: dict[str, bytes] = {}
        for suffix, six in (("", False), ("6", True)):
            added = [(peer, flags) for peer, flags in self.added if (":" in peer.ip) == six]
            body[f"added{suffix}"] = compact_peers(peer for peer, _ in added)[six]
            body[f"added{suffix}.f"] = bytes(flags for _, flags in added)
            body[f"dropped{suffix}"] = compact_peers(self.dropped)[six]
        return bencode.encode(body)


def decode(body: bytes) -> Exchange:
    """The message in `body`, of which no more than `MAX_ADDED` peers of a kind are read.

    Raises:
        RemoteProtocolError: it is none.
    """
    try:
        fields, _ = lenient.decode(body[:MAX_BODY])
    except BencodeError as error:
        raise RemoteProtocolError(f"peer exchange: {error}") from None
    if not isinstance(fields, dict):
        raise RemoteProtocolError("peer exchange: not a dictionary")
    added: list[tuple[PeerAddress, int]] = []
    for key, size in ((b"added", PACKED_FOUR), (b"added6", PACKED_SIX)):
        flags = _bytes(fields.get(key + b".f"))
        packed = _bytes(fields.get(key))
        for number, at in enumerate(range(0, min(len(packed), size * MAX_ADDED), size)):
            flag = flags[number] if number < len(flags) else 0
            added += ((peer, flag) for peer in unpacked_peers(packed[at : at + size], size))
    dropped = [
        peer
        for key, size in ((b"dropped", PACKED_FOUR), (b"dropped6", PACKED_SIX))
        for peer in unpacked_peers(_bytes(fields.get(key))[: size * MAX_ADDED], size)
    ]
    return Exchange(tuple(added), tuple(dropped))


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else b""
