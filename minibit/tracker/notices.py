"""What the origin has to hear of, from the tracker that it stands beside."""

from msgspec import Struct


class Granted(Struct, frozen=True):
    """The peer with this wire id has been granted `blocks`, all in all."""

    peer_id: bytes
    blocks: int


class Left(Struct, frozen=True):
    """The peer with this wire id is no longer active; its grant is not to be served."""

    peer_id: bytes


Notice = Granted | Left
"""What the origin has to hear of."""
