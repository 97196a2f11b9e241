"""Bencode (BEP 3) as other clients say it on the wire: what is meant is taken, however it is written.

In a .torrent file every byte counts, for a hash is taken of it: there `bencode` is strict. A message is
nothing but what it says, and clients that ours is to trade with write keys in any order, twice, or with
something behind them. Bounded like the strict one, and no value is built that the bounds do not allow.
"""

import re
from typing import Any, Final

from minibit.errors import BencodeError

MAX_DEPTH: Final = 16  # no message of any BEP nests deeper than 3
MAX_ITEMS: Final = 1000  # values and keys of one message

_INTEGER: Final = re.compile(rb"i(-?[0-9]{1,100})e")
_LENGTH: Final = re.compile(rb"([0-9]{1,10}):")


def decode(data: bytes, *, max_items: int = MAX_ITEMS) -> tuple[Any, int]:
    """The value that `data` begins with, and how many bytes it takes: `int`, `bytes`, `list` or `dict` with
    `bytes` keys. Keys may come in any order, and the first of two that are the same counts; numbers and
    lengths may begin with zeros.

    Raises:
        BencodeError: no value, one that is cut off, of more than `max_items` values and keys, or nested
            deeper than `MAX_DEPTH`.
    """
    reader = _Reader(data, max_items)
    value = reader.value(0)
    return value, reader.position


class _Reader:
    """Reads `data` from `position` on."""

    def __init__(self, data: bytes, items: int) -> None:
        self.position = 0
        self._data = data
        self._items = items

    def value(self, depth: int) -> Any:
        self._items -= 1
        if self._items < 0 or depth > MAX_DEPTH:
            raise BencodeError("bencode of too many values, or nested too deep")
        match self._data[self.position : self.position + 1]:
            case b"i":
                return int(self._match(_INTEGER))
            case b"l":
                self.position += 1
                values = []
                while not self._ends():
                    values.append(self.value(depth + 1))
                return values
            case b"d":
                self.position += 1
                entries: dict[bytes, Any] = {}
                while not self._ends():
                    key = self._text()
                    entries.setdefault(key, self.value(depth + 1))
                return entries
        return self._text()

    def _ends(self) -> bool:
        ends = self._data[self.position : self.position + 1] == b"e"
        self.position += ends
        return ends

    def _text(self) -> bytes:
        length = int(self._match(_LENGTH))
        start, self.position = self.position, self.position + length
        if self.position > len(self._data):
            raise BencodeError(f"bencode is cut off at byte {start}")
        return self._data[start : self.position]

    def _match(self, pattern: re.Pattern[bytes]) -> bytes:
        found = pattern.match(self._data, self.position)
        if found is None:
            raise BencodeError(f"not valid bencode: no value begins at byte {self.position}")
        self.position = found.end()
        return found[1]
