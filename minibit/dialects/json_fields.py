"""What the requests and the replies of the JSON dialect share: fields that a stranger filled in.

Each raises `RequestError` for a field of the wrong type or out of range.
"""

import re
from typing import Any

from minibit import bitfield
from minibit.dialects.refusal import RequestError

_HEX_ID = re.compile(r"[0-9a-fA-F]{40}")


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
