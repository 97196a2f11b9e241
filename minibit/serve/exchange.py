"""One HTTP request and its answer as values, whoever reads the one and writes the other."""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Protocol

from msgspec import Struct

from minibit.dialects.json_replies import Refusal

MAX_BODY: Final = 2 << 20  # bytes; the bitfield of the largest share is 512 KiB of hex

REMEDIES: Final[dict[int, str]] = {
    404: "there is nothing here: GET / lists what this tracker answers",
    405: "this address takes another method: GET / lists which",
    413: f"the body is larger than {MAX_BODY >> 20} MiB: send `bitfield` instead of `blocks`",
}


def _nothing() -> None:
    pass


class Request(Struct, frozen=True):
    """`remote` is a canonical IP literal, "" if the socket shows none; `path` is percent-decoded.

    The names of `headers` are lower case. One that came twice has both values, as RFC 9110 5.3 joins them.
    """

    method: str
    path: str
    query: bytes = b""
    headers: Mapping[bytes, bytes] = MappingProxyType({})
    body: bytes = b""
    remote: str = ""


class Source(Protocol):
    """A body that is too long to be held: of its `length` bytes, one part is made at a time."""

    length: int

    def next(self, give: Callable[[bytes], None]) -> None:
        """Has the next part made: `give` is called with it on the connection's thread, later, and once. With
        b"" if it cannot be had: then the connection is to break off."""


class Reply(Struct, frozen=True):
    """`sent` is called once, when the last of `body` has been handed on, or nobody waits for it any more.

    With a `source`, that is the body. `lasting`: it is short and was given at once, so its connection may
    carry another request.
    """

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    sent: Callable[[], None] = _nothing
    source: Source | None = None
    lasting: bool = False


def refusal(status: int, message: str) -> Reply:
    """An error in the contract's form."""
    return Reply(status, json.dumps(Refusal(message).to_json()).encode())
