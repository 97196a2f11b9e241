"""Figures as people read them: sizes, rates, durations, percentages.

Every table, plain line, log and error says the same figure in the same words, and no text is wider
than the `*_WIDTH` beside its function, so that a column can be laid out before its figures arrive.
It knows nothing of terminals. Sizes are binary (IEC 80000-13: 1 KiB is 1,024 bytes).
"""

import re
from typing import Final

from minibit.errors import UsageError

NOTHING: Final = "—"
SIZE_WIDTH: Final = 8
RATE_WIDTH: Final = SIZE_WIDTH + 2
PERCENT_WIDTH: Final = 4
DURATION_WIDTH: Final = 8

_PREFIXES: Final = "KMGTPE"
_DAY: Final = 86_400


def size(count: float) -> str:
    """Bytes with three significant digits at least: `512 B`, `12.0 MiB`, `1000 KiB`."""
    if round(count) < 1024:
        return f"{count:.0f} B"
    for prefix in _PREFIXES:
        count /= 1024
        # What would print as 1024 belongs to the next unit.
        if round(count) < 1024 or prefix == _PREFIXES[-1]:
            break
    # What would print as 100.0 has its three digits without the decimal.
    return f"{count:.{1 if round(count, 1) < 100 else 0}f} {prefix}iB"


def count(number: int, noun: str, plural: str = "") -> str:
    """So many things, `1 block`, `0 blocks`; `plural` where it is not the noun and an s."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def rate(per_second: float, nothing: str = NOTHING) -> str:
    """Bytes per second, `1.0 MiB/s`; less than half a byte is `nothing`."""
    return f"{size(per_second)}/s" if round(per_second) else nothing


def duration(seconds: float | None, *, tenths: bool = False) -> str:
    """`0:23`, `1:02:03`, `3d 04h`; None is a dash. With `tenths`, less than a minute is `8.4 s`."""
    if seconds is None:
        return NOTHING
    if tenths and round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole >= 1000 * _DAY:
        return "> 999d"
    if whole >= 2 * _DAY:
        return f"{whole // _DAY}d {whole % _DAY // 3600:02}h"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def percent(part: int, whole: int) -> str:
    """`57%`: rounded down, so that 100 % means all of it and nothing less does; a dash of nothing."""
    if whole <= 0:
        return NOTHING
    return f"{min(100, 100 * part // whole)}%"


def proportion(part: int, whole: int) -> str:
    """`57%`: rounded to the nearest, so that a part and its complement add up; a dash of nothing."""
    return f"{100 * part / whole:.0f}%" if whole > 0 else NOTHING


def parse_size(text: str, where: str) -> int:
    """Bytes from what a person types: `500K`, `1.5M`, `2 MiB`, `65536`; units are binary.

    Raises:
        UsageError: not a size; `where` names the option.
    """
    match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*(?:([KMGT])(?:i?B)?|B)?\s*", text, re.IGNORECASE)
    if match is None:
        raise UsageError(f"{where}: {text!r} is not a size; write it like 500K, 1.5M or 2G")
    power = _PREFIXES.index(match[2].upper()) + 1 if match[2] else 0
    return int(float(match[1]) * 1024**power)
