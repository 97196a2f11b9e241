"""What strangers call themselves, made fit for a terminal; the rules for the names of peers; short lines."""

import re
import unicodedata
from typing import Final

MAX_NAME: Final = 32  # characters of a peer's name, everywhere
ORIGIN: Final = "origin"  # the name of the peer inside the tracker; nobody else may have it
NAME_RULE: Final = (
    f"a peer's name is 1–{MAX_NAME} letters, digits, '.', '_' or '-', and begins with a letter or digit"
)
MAX_WORD: Final = 240  # characters of one word of a line, which may be a path…
MAX_LINE: Final = 1000  # …and of the whole line

# Letters and marks by their category, and yet they show nothing: two names would look the same.
_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
# What looks like a letter of "origin" when case, accents and widths are gone.
_LOOKS: Final = {
    "o": "0οσоօᴏⲟꓳ",
    "r": "гᴦⲅʀꓣ",
    "i": "1lıɩɪιіӏꓲ",
    "g": "ɡɢցԍꓖ",
    "n": "ɴηνпոռꓠ",
}
_FOLD: Final = {ord(look): letter for letter, looks in _LOOKS.items() for look in looks}


def plain_text(raw: object, limit: int = MAX_NAME) -> str:
    """A stranger's text as one short printable line: no control code or line separator reaches a terminal."""
    if isinstance(raw, bytes):
        raw = raw.decode("utf-8", "replace")
    if not isinstance(raw, str):
        return ""
    return "".join(filter(str.isprintable, raw))[:limit].strip()


def name_fault(name: str) -> str | None:
    """Why no peer may have this name; None if one may. A name that may be is the name of a folder too."""
    letters = all(c in "._-" or unicodedata.category(c)[0] in "LM" or c.isdecimal() for c in name)
    if not 0 < len(name) <= MAX_NAME or not letters or not name[0].isalnum() or _UNSEEN.search(name):
        return f"{plain_text(name)!r} is not a name: {NAME_RULE}"
    if _looks(name) == ORIGIN:
        seems = "is" if name.casefold() == ORIGIN else f"looks like {ORIGIN!r}, which is"
        return f"the name {name!r} {seems} the tracker's own: choose another one"
    return None


def one_line(text: str) -> str:
    """`text` as one printable line of bounded length, whose end, where the remedy stands, is kept."""
    words = ["".join(c if c.isprintable() else "�" for c in word) for word in text.split()]
    return _shortened(" ".join(_shortened(word, MAX_WORD) for word in words), MAX_LINE)


def _shortened(text: str, limit: int) -> str:
    half = (limit - 1) // 2
    return text if len(text) <= limit else f"{text[:half]}…{text[-half:]}"


def _looks(name: str) -> str:
    """How a name looks to somebody who does not look twice."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    return "".join(c for c in plain if unicodedata.category(c)[0] in "LN").translate(_FOLD)
