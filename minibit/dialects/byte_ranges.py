"""Which bytes of a file an HTTP request asks for (RFC 9110 section 14), and how the answer says it."""

import re
from typing import Final

from minibit.dialects.refusal import RequestError

_ONE: Final = re.compile(rb"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.IGNORECASE)


def decode_range(header: bytes, length: int) -> range | None:
    """The bytes of `length` that the Range header wants; None: all of them.

    One that is malformed or names several ranges may be passed over, and is.

    Raises:
        RequestError: 416, none of these bytes exists.
    """
    found = _ONE.fullmatch(header)
    if found is None or not (found[1] or found[2]):
        return None
    if found[1]:
        start, end = int(found[1]), min(int(found[2]) + 1 if found[2] else length, length)
        if found[2] and int(found[2]) < start:
            return None
    else:
        start, end = max(0, length - int(found[2])), length
    if start >= end:
        raise RequestError(f"the file has {length} bytes: ask for some of these", status=416)
    return range(start, end)


def content_range(bytes_: range | None, length: int) -> str:
    """What Content-Range says of an answer with these bytes; None: of a refusal."""
    said = "*" if bytes_ is None else f"{bytes_.start}-{bytes_.stop - 1}"
    return f"bytes {said}/{length}"
