"""Whether and how a connection is encrypted: what may be chosen, by a user and by two peers."""

from enum import IntEnum, StrEnum


class Cipher(IntEnum):
    """What follows once two sides have agreed; the values are those on the wire, added up in an offer."""

    PLAIN = 1
    RC4 = 2


class Encryption(StrEnum):
    """What we do about encryption."""

    ALLOW = "allow"  # we dial in the clear, and encrypt where the other side wants it
    PREFER = "prefer"  # we encrypt, and speak in the clear with those who cannot
    REQUIRE = "require"  # we hang up on who does not encrypt

    @property
    def ciphers(self) -> tuple[Cipher, ...]:
        """Those that we accept, the best first."""
        match self:
            case Encryption.ALLOW:
                return Cipher.PLAIN, Cipher.RC4
            case Encryption.PREFER:
                return Cipher.RC4, Cipher.PLAIN
            case Encryption.REQUIRE:
                return (Cipher.RC4,)
