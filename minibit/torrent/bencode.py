"""Bencode (BEP 3), strict and bounded, on top of the `bencode2` library.

`bencode2` is strict where it matters (it refuses leading zeros, `-0`, unsorted or duplicate keys and
trailing bytes), so that decoding and encoding again gives the same bytes and an info hash can be
taken of a re-encoded dictionary. What is added here is what a port on a network needs: caps on size,
on depth and on the number of values, all of them before the first object is built. Bytes alone bound
little: an empty list is two of them on the wire and 75 in memory.
"""

import re
from typing import Any, Final

import bencode2

from minibit.errors import BencodeError

MAX_DEPTH: Final = 100  # no BEP nests deeper than about 6; depth has crashed deluge and rqbit (rqbit PR #660)
MAX_BYTES: Final = 64 * 1024 * 1024  # metainfo of 2**21 blocks is 40 MiB of digests
MAX_ITEMS: Final = 1_500_000  # values and keys: 100,000 files ten folders deep; at worst 150 MiB

_TOKEN: Final = re.compile(rb"([ld])|(e)|([0-9]{1,20}):|i-?[0-9]+e")


def decode(data: bytes, *, max_bytes: int = MAX_BYTES, max_items: int = MAX_ITEMS) -> Any:
    """The value in `data`: `int`, `bytes`, `list` or `dict` with `bytes` keys.

    Raises:
        BencodeError: not canonical bencode, bytes left over, larger than `max_bytes`, of more than
            `max_items` values and keys, or nested deeper than `MAX_DEPTH`.
    """
    if len(data) > max_bytes:
        raise BencodeError(f"bencoded data of {len(data)} bytes exceeds the limit of {max_bytes}")
    _measure(data, max_items)
    try:
        return bencode2.bdecode(data)
    except (bencode2.BencodeDecodeError, ValueError, TypeError, OverflowError) as error:
        raise BencodeError(f"not valid bencode: {error}") from None


def encode(value: Any) -> bytes:
    """`value` (int, bytes, str, list, dict) as canonical bencode."""
    return bytes(bencode2.bencode(value))


def _measure(data: bytes, max_items: int) -> None:
    """Walk over the tokens of `data` and build nothing; it takes `max_items` and as many ends at most.

    Raises:
        BencodeError: too many, too deep, or no token of bencode.
    """
    items = depth = position = 0
    end = len(data)
    token_at = _TOKEN.match
    while position < end:
        token = token_at(data, position)
        if token is None:
            raise BencodeError(f"not valid bencode: no value begins at byte {position}")
        opening, ending, length = token.groups()
        position = token.end()
        if ending:
            depth -= 1
            if depth < 0:
                raise BencodeError(f"not valid bencode: nothing ends at byte {position - 1}")
            continue
        items += 1
        if items > max_items:
            raise BencodeError(f"bencode of more than {max_items} values")
        if opening:
            depth += 1
            if depth > MAX_DEPTH:
                raise BencodeError(f"bencode nested deeper than {MAX_DEPTH}")
        elif length:
            position += int(length)
