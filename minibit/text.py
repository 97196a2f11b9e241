"""What strangers call themselves, made fit for a terminal, and the rules for the names of peers."""

from typing import Final

MAX_NAME: Final = 32  # characters of a peer's name, everywhere
ORIGIN: Final = "origin"  # the name of the peer inside the tracker; nobody else may have it


def plain_text(raw: object, limit: int = MAX_NAME) -> str:
    """A stranger's text as one short printable line: no control code or line separator reaches a terminal."""
    if isinstance(raw, bytes):
        raw = raw.decode("utf-8", "replace")
    if not isinstance(raw, str):
        return ""
    return "".join(filter(str.isprintable, raw))[:limit].strip()


def name_fault(name: str) -> str | None:
    """Why no peer may have this name; None if one may."""
    if not name or plain_text(name) != name:
        return f"a peer's name is 1–{MAX_NAME} printable characters with no space at either end"
    if name.casefold() == ORIGIN:
        return f"the name {ORIGIN!r} is the tracker's own: choose another one"
    return None
