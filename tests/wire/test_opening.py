"""Two sides that agree on encryption, whatever the network does to their bytes, and strangers who do not."""

from hashlib import sha1

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit.errors import RemoteProtocolError
from minibit.wire.encryption import Cipher, Encryption
from minibit.wire.opening import (
    KEY_BYTES,
    LEGIBLE,
    MAX_FIRST,
    MAX_HELD,
    MAX_PADDING,
    PRIME,
    VERIFIER,
    Answerer,
    Dialler,
    Opening,
)

SHARE = bytes(range(20))
BOTH = Encryption.ALLOW.ciphers
SECRETS = st.binary(min_size=20, max_size=20).filter(lambda secret: int.from_bytes(secret) > 1)
PADDINGS = st.binary(max_size=MAX_PADDING)
CHOICES = st.sampled_from(Encryption)


def dialler(*, ciphers: tuple[Cipher, ...] = BOTH, share: bytes = SHARE) -> Dialler:
    return Dialler(share, ciphers, b"d" * 20, b"some padding")


def answerer(*, ciphers: tuple[Cipher, ...] = BOTH, share: bytes = SHARE) -> Answerer:
    return Answerer(share, ciphers, b"a" * 20, b"")


def feed(opening: Opening, data: bytes, sizes: list[int]) -> bytes:
    """`data` in pieces of these sizes, the rest at once; what it says to it."""
    said = b""
    for size in sizes:
        piece, data = data[:size], data[size:]
        said += opening.receive(piece)
    return said + opening.receive(data)


def agree(one: Dialler, other: Answerer, sizes: list[int]) -> None:
    """Carry what each says to the other, in pieces of these sizes."""
    said = one.start
    while said:
        answer = feed(other, said, sizes)
        said = feed(one, answer, sizes) if answer else b""


@given(
    mine=CHOICES,
    theirs=CHOICES,
    secrets=st.tuples(SECRETS, SECRETS),
    paddings=st.tuples(PADDINGS, PADDINGS),
    sizes=st.lists(st.integers(1, 200), max_size=8),
)
def test_two_sides_agree_whatever_the_network_makes_of_their_bytes(
    mine: Encryption,
    theirs: Encryption,
    secrets: tuple[bytes, bytes],
    paddings: tuple[bytes, bytes],
    sizes: list[int],
) -> None:
    one = Dialler(SHARE, mine.ciphers, secrets[0], paddings[0])
    other = Answerer(SHARE, theirs.ciphers, secrets[1], paddings[1])
    agree(one, other, sizes)
    assert one.done
    assert other.done
    expected = next(cipher for cipher in theirs.ciphers if cipher in mine.ciphers)
    assert one.cipher is other.cipher is expected
    assert other.unseal(one.seal(b"to you")) == b"to you"
    assert one.unseal(other.seal(b"and back")) == b"and back"
    assert (one.seal(LEGIBLE) != LEGIBLE) is (expected is Cipher.RC4)


@given(sizes=st.lists(st.integers(1, 30), max_size=4))
def test_who_begins_in_the_clear_is_let_be(sizes: list[int]) -> None:
    opening = answerer()
    assert feed(opening, LEGIBLE + b"and more", sizes) == b""
    assert (opening.done, opening.cipher) == (True, Cipher.PLAIN)


def test_nothing_that_came_in_the_clear_is_lost() -> None:
    opening = answerer()
    opening.receive(LEGIBLE + b"and more")
    assert opening.rest == LEGIBLE + b"and more"


def test_who_begins_in_the_clear_is_refused_where_encryption_is_required() -> None:
    opening = answerer(ciphers=(Cipher.RC4,))
    opening.receive(LEGIBLE[:10])
    with pytest.raises(RemoteProtocolError, match="in the clear"):
        opening.receive(LEGIBLE[10:])


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\n", b"SSH-2.0-x\r\n", b"\x16\x03\x01\x02\x00\x01"])
def test_a_browser_or_a_scan_is_turned_away_at_its_first_bytes(start: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="does not speak BitTorrent"):
        answerer().receive(start)


def offered(other: Answerer, ciphers: int, first: int, data: bytes = b"") -> bytes:
    """A dialler's second step to `other`, with the first data that others send and we do not."""
    reply = other.receive(dialler().start)
    fresh = dialler()  # its cipher has said nothing yet
    secret = fresh._agree(reply[:KEY_BYTES], dialled=True)
    one, two = sha1(b"req2" + SHARE).digest(), sha1(b"req3" + secret).digest()
    proof = bytes(a ^ b for a, b in zip(one, two, strict=True))
    offer = VERIFIER + ciphers.to_bytes(4) + bytes(2) + first.to_bytes(2) + data
    return sha1(b"req1" + secret).digest() + proof + fresh._encrypt(offer)


def test_first_data_is_read_with_the_offer() -> None:
    """Other clients send their handshake with it."""
    other = answerer()
    other.receive(offered(other, 3, len(LEGIBLE), LEGIBLE))
    assert (other.done, other.rest) == (True, LEGIBLE)


def test_first_data_has_a_bound() -> None:
    other = answerer()
    with pytest.raises(RemoteProtocolError, match="at most"):
        other.receive(offered(other, 3, MAX_FIRST + 1))


def test_a_side_that_speaks_of_another_share_is_refused() -> None:
    one, other = dialler(share=bytes(20)), answerer()
    with pytest.raises(RemoteProtocolError, match="another share"):
        agree(one, other, [])


def test_sides_that_accept_nothing_in_common_part() -> None:
    with pytest.raises(RemoteProtocolError, match="in no way that we accept"):
        agree(dialler(ciphers=(Cipher.PLAIN,)), answerer(ciphers=(Cipher.RC4,)), [])


@pytest.mark.parametrize("key", [0, 1, PRIME - 1, PRIME, 2**768 - 1])
def test_a_key_that_hides_nothing_is_refused(key: int) -> None:
    with pytest.raises(RemoteProtocolError, match="hides nothing"):
        answerer().receive(key.to_bytes(KEY_BYTES))


def test_a_padding_has_an_end() -> None:
    opening = answerer()
    opening.receive(dialler().start[:KEY_BYTES])
    opening.receive(bytes(MAX_PADDING))
    with pytest.raises(RemoteProtocolError, match="neither speaks BitTorrent nor encrypts"):
        opening.receive(bytes(20))


@given(pieces=st.lists(st.binary(max_size=2000), max_size=20))
def test_garbage_is_refused_or_waited_for_and_never_piles_up(pieces: list[bytes]) -> None:
    for opening in (answerer(), dialler()):
        for piece in pieces:
            try:
                opening.receive(piece)
            except RemoteProtocolError:
                break
            assert opening.done or len(opening._held) <= MAX_HELD


def test_the_prime_is_one() -> None:
    """Fermat's test, for the digits were typed."""
    assert PRIME.bit_length() == 8 * KEY_BYTES
    assert all(pow(base, PRIME - 1, PRIME) == 1 for base in (2, 3, 5, 7, 11))
