"""What a peer is called on the wire."""

from minibit import __version__
from minibit.peer.peer_id import new_peer_id


def test_every_wire_id_is_new_and_says_which_client_it_is() -> None:
    ids = {new_peer_id() for _ in range(100)}
    assert len(ids) == 100
    version = "".join(f"{int(part):X}" for part in __version__.split("."))  # a character each (BEP 20)
    prefix = f"-MB{version}0-".encode()
    assert all(len(each) == 20 and each.startswith(prefix) for each in ids)
