"""What the requests and the replies of the JSON dialect share: fields that a stranger filled in.

Each raises `RequestError` for a field of the wrong type or out of range.
"""

import json
import re
from typing import Any, Final

from minibit import bitfield
from minibit.dialects.refusal import RequestError

MAX_PARTS_ASKED: Final = 4096  # of a request: objects, lists and fields; a heartbeat with figures has 20
MAX_PARTS_ANSWERED: Final = 1 << 18  # of a reply: `/status` of 5,000 peers has 150,000
MAX_LISTED: Final = 5 << 19  # commas: the largest share's numbers of granted blocks, and that `/status`

_HEX_ID = re.compile(r"[0-9a-fA-F]{40}")


def document(text: bytes, *, max_parts: int) -> Any:
    """The decoded JSON in `text`: at most `max_parts` objects, lists and fields, and `MAX_LISTED` commas.

    Both are counted before anything is built: an empty object is three bytes here and 72 in memory.

    Raises:
        RequestError: it is no JSON, or too much of it.
    """
    # What stands inside strings is counted too: that is quick, and our own have no such signs to speak of.
    parts = text.count(b"{") + text.count(b"[") + text.count(b":")
    if parts > max_parts or text.count(b",") > MAX_LISTED:
        raise RequestError(f"JSON of more than {max_parts} objects, lists and fields, or {MAX_LISTED} values")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise RequestError("the body is not valid JSON") from None


def mapping(data: object) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise RequestError("the body must be a JSON object")
    return data


def port(body: dict[str, Any]) -> int:
    value = body.get("porta")
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 65535:
        raise RequestError("porta must be a whole number from 1 to 65535")
    return value


def bt_id(body: dict[str, Any]) -> bytes | None:
    value = body.get("bt_id")
    if value is None:
        return None
    if not isinstance(value, str) or not _HEX_ID.fullmatch(value):
        raise RequestError("bt_id must be 40 hexadecimal digits: the peer's 20-byte id")
    return bytes.fromhex(value)


def block_numbers(body: dict[str, Any], field: str, count: int) -> int:
    """The bitfield of the blocks whose numbers are in that list."""
    listed = body.get(field)
    if not isinstance(listed, list) or len(listed) > count:
        raise RequestError(f"{field} must be a list of at most {count} block numbers")
    if not all(type(block) is int for block in listed):  # a bool is an int to isinstance
        raise RequestError(f"{field} must hold whole numbers only")
    try:
        return bitfield.from_indices(listed, count)
    except ValueError:
        raise RequestError(f"{field} must be numbers from 0 to {count - 1}") from None
