"""Bencode (BEP 3), strict and bounded, on top of the `bencode2` library.

`bencode2` is strict where it matters (it refuses leading zeros, `-0`, unsorted or duplicate keys and
trailing bytes), so that decoding and encoding again gives the same bytes and an info hash can be
taken of a re-encoded dictionary. What is added here is what a port on a network needs: a cap on size
before any work is done, and a cap on depth before anything recursive can meet the value.
"""

from typing import Any

import bencode2

from minibit.errors import BencodeError

MAX_DEPTH = 100  # no BEP nests deeper than about 6; deluge and rqbit were crashed by depth (rqbit PR #660)
MAX_BYTES = 64 * 1024 * 1024  # metainfo of 2**21 blocks is 40 MiB of digests


def decode(data: bytes, *, max_bytes: int = MAX_BYTES) -> Any:
    """The value in `data`: `int`, `bytes`, `list` or `dict` with `bytes` keys.

    Raises:
        BencodeError: not canonical bencode, bytes left over, larger than `max_bytes`, or nested
            deeper than `MAX_DEPTH`.
    """
    if len(data) > max_bytes:
        raise BencodeError(f"bencoded data of {len(data)} bytes exceeds the limit of {max_bytes}")
    try:
        value = bencode2.bdecode(data)
    except (bencode2.BencodeDecodeError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise BencodeError(f"not valid bencode: {error}") from None
    _check_depth(value)
    return value


def encode(value: Any) -> bytes:
    """`value` (int, bytes, str, list, dict) as canonical bencode."""
    return bytes(bencode2.bencode(value))


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, list):
                deeper.extend(x for x in item if isinstance(x, list | dict))
            elif isinstance(item, dict):
                deeper.extend(x for x in item.values() if isinstance(x, list | dict))
        if not deeper:
            return
        level = deeper
    raise BencodeError(f"bencode nested deeper than {MAX_DEPTH}")
