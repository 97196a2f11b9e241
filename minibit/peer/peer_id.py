"""The id by which a peer is known on the wire: which client it is, and chance."""

import os
from typing import Final

PEER_ID_PREFIX: Final = b"-MB0A00-"  # BEP 20: client and version


def new_peer_id() -> bytes:
    """A wire id of 20 bytes; no seed decides it, for two peers with one seed must still differ."""
    return PEER_ID_PREFIX + os.urandom(12)
