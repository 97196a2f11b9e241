"""The extended handshake: what we say survives, and what a stranger says is bounded and harmless."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit.errors import RemoteProtocolError
from minibit.text import MAX_NAME
from minibit.torrent import bencode
from minibit.wire.extended import MAX_BODY, MAX_REQQ, MAX_SPAN, ExtendedHandshake

PLAIN = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=MAX_NAME)
HANDSHAKES = st.builds(
    ExtendedHandshake,
    extensions=st.dictionaries(PLAIN, st.integers(1, 255), max_size=5),
    client=PLAIN,
    port=st.none() | st.integers(1, 65535),
    queue=st.none() | st.integers(1, MAX_REQQ),
    name=st.none() | PLAIN.filter(bool),
)


@given(HANDSHAKES)
def test_a_handshake_survives(handshake: ExtendedHandshake) -> None:
    assert ExtendedHandshake.decode(handshake.encode()) == handshake


def test_what_another_client_says() -> None:
    body = b"d1:md11:LT_metadatai1e6:ut_pexi2ee1:pi6881e4:reqqi250e1:v13:qBittorrent/5e"
    assert ExtendedHandshake.decode(body) == ExtendedHandshake(
        {"LT_metadata": 1, "ut_pex": 2}, client="qBittorrent/5", port=6881, queue=250
    )


def test_nothing_said_is_nothing_known() -> None:
    assert ExtendedHandshake.decode(b"de") == ExtendedHandshake()


STRANGE = st.recursive(
    st.integers(-(2**70), 2**70) | st.binary(max_size=50),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.binary(max_size=40), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from([b"m", b"v", b"p", b"reqq", b"minibit", b"yourip"])


@given(st.dictionaries(KEYS, STRANGE | st.dictionaries(st.just(b"name"), STRANGE)))
def test_values_of_a_wrong_kind_are_passed_over(body: dict[bytes, object]) -> None:
    found = ExtendedHandshake.decode(bencode.encode(body))
    assert all(0 <= number < 256 and len(name) <= MAX_NAME for name, number in found.extensions.items())
    assert found.port is None or 0 < found.port <= 65535
    assert found.queue is None or 0 < found.queue <= MAX_REQQ
    assert found.name is None or 0 < len(found.name) <= MAX_NAME
    assert found.client.isprintable()
    assert len(found.client) <= MAX_NAME


@pytest.mark.parametrize(
    ("own", "span"),
    [
        ({b"span": 3}, 3),
        ({b"span": MAX_SPAN}, MAX_SPAN),
        ({b"span": 10**30}, MAX_SPAN),
        ({b"span": 0}, 1),
        ({b"span": -1}, 1),
        ({b"span": b"8"}, 1),
        ({b"span": [8]}, 1),
        ({}, 1),
        ([8], 1),
    ],
)
def test_a_span_is_a_number_of_chunks_within_a_request(own: object, span: int) -> None:
    assert ExtendedHandshake.decode(bencode.encode({b"minibit": own})).span == span


def test_what_is_written_carelessly_is_understood() -> None:
    body = b"d1:v05:Other1:pi0006881e1:md6:ut_pexi2e11:LT_metadatai1ee1:v5:Later4:reqqi250eeand more"
    assert ExtendedHandshake.decode(body) == ExtendedHandshake(
        {"ut_pex": 2, "LT_metadata": 1}, client="Other", port=6881, queue=250
    )


def test_an_extension_may_be_switched_off() -> None:
    assert ExtendedHandshake.decode(b"d1:md6:ut_pexi0eee").extensions == {"ut_pex": 0}


@pytest.mark.parametrize("body", [b"", b"i1e", b"le", b"4:spam", b"d1:m", b"d1:vi1e1:mde", b"\xff" * 30])
def test_what_is_no_dictionary_is_refused(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="extended handshake"):
        ExtendedHandshake.decode(body)


def test_size_and_depth_are_bounded() -> None:
    padding = MAX_BODY - len(b"d1:v00000:e")
    largest = b"d1:v%d:%se" % (padding, b"x" * padding)
    assert len(largest) == MAX_BODY
    assert ExtendedHandshake.decode(largest).client == "x" * MAX_NAME
    with pytest.raises(RemoteProtocolError, match="of 16385 bytes"):
        ExtendedHandshake.decode(b"d1:v%d:%se" % (padding + 1, b"x" * (padding + 1)))
    with pytest.raises(RemoteProtocolError, match="nested too deep"):
        ExtendedHandshake.decode(b"d1:m" + b"l" * 200 + b"e" * 200 + b"e")
