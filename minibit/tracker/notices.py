"""What the origin has to hear of, from the tracker that it stands beside."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Granted:
    """The peer with this wire id has been granted `blocks`, all in all."""

    peer_id: bytes
    blocks: int


@dataclass(frozen=True, slots=True)
class Left:
    """The peer with this wire id is no longer active; its grant is not to be served."""

    peer_id: bytes


Notice = Granted | Left
"""What the origin has to hear of."""
