"""What is said to nodes of the DHT and heard from them (BEP 5): the BEP's examples, and nonsense."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit.address import PeerAddress
from minibit.dialects import krpc
from minibit.dialects.krpc import MAX_NODES, MAX_PEERS, AnnouncePeer, Answer, Contact, Fault, GetPeers
from minibit.torrent import bencode

OWN, HASH, NODE = b"abcdefghij0123456789", b"mnopqrstuvwxyz123456", b"0123456789abcdefghij"
IPS = st.ip_addresses(v=4).map(str)
PORTS = st.integers(1, 65535)
ANSWERS = st.builds(
    Answer,
    st.binary(min_size=1, max_size=4),
    st.binary(min_size=20, max_size=20),
    st.binary(max_size=20),
    st.lists(st.builds(Contact, st.binary(min_size=20, max_size=20), st.tuples(IPS, PORTS)), max_size=8).map(
        tuple
    ),
    st.lists(st.builds(PeerAddress, st.just(""), IPS, PORTS), max_size=8).map(tuple),
)


def test_questions_look_as_in_the_bep_and_are_read_only() -> None:
    assert GetPeers(b"aa", OWN, HASH).encode() == (
        b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers2:roi1e1:t2:aa1:y1:qe"
    )
    said = bencode.decode(AnnouncePeer(b"aa", OWN, HASH, 6881, b"aoeusnth").encode())
    assert said[b"q"] == b"announce_peer"
    assert said[b"a"] == {b"id": OWN, b"info_hash": HASH, b"port": 6881, b"token": b"aoeusnth"}
    assert said[b"ro"] == 1


def test_the_answer_of_the_bep() -> None:
    body = b"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re"
    answer = krpc.decode(body)
    assert isinstance(answer, Answer)
    assert (answer.transaction, answer.node_id, answer.token) == (b"aa", OWN, b"aoeusnth")
    assert answer.peers[0] == PeerAddress("", "97.120.106.101", 11893)


@given(ANSWERS)
def test_every_answer_survives(answer: Answer) -> None:
    assert krpc.decode(answer.encode()) == answer


def test_faults() -> None:
    assert krpc.decode(b"d1:eli201e5:sorrye1:t2:aa1:y1:ee") == Fault(b"aa", "sorry")
    assert krpc.decode(b"d1:ele1:t2:aa1:y1:ee") == Fault(b"aa")


def test_peers_of_both_families_and_no_more_than_so_many() -> None:
    six = bytes.fromhex("20010db8000000000000000000000001") + b"\x1a\xe1"
    said = {"id": NODE, "values": [six, b"odd", 5, *[b"\1\2\3\4\5\6"] * (2 * MAX_PEERS)]}
    nodes = b"".join(bytes([i]) * 20 + b"\1\2\3\4\5\6" for i in range(2 * MAX_NODES))
    answer = krpc.decode(bencode.encode({"t": "aa", "y": "r", "r": said | {"nodes": nodes + b"odd"}}))
    assert isinstance(answer, Answer)
    assert answer.peers[0] == PeerAddress("", "2001:db8::1", 6881)
    assert len(answer.peers) <= MAX_PEERS
    assert len(answer.nodes) == MAX_NODES


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"le",
        b"d1:y1:re",
        b"d1:t2:aa1:y1:re",
        b"d1:rd2:id19:" + NODE[:19] + b"e1:t2:aa1:y1:re",
        b"d1:rle1:t2:aa1:y1:re",
        GetPeers(b"aa", OWN, HASH).encode(),  # a question to us: we are read-only
        b"x" * 5000,
    ],
)
def test_what_is_nothing(body: bytes) -> None:
    assert krpc.decode(body) is None


@given(st.binary(max_size=100))
def test_anything_may_come(body: bytes) -> None:
    krpc.decode(body)
