"""What each choice accepts, and in which order."""

from minibit.wire.encryption import Cipher, Encryption


def test_who_allows_encryption_would_rather_not_pay_for_it() -> None:
    assert Encryption("allow").ciphers == (Cipher.PLAIN, Cipher.RC4)


def test_who_prefers_it_takes_plain_as_well() -> None:
    assert Encryption("prefer").ciphers == (Cipher.RC4, Cipher.PLAIN)


def test_who_requires_it_takes_nothing_else() -> None:
    assert Encryption("require").ciphers == (Cipher.RC4,)
