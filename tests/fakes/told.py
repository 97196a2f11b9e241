"""Events told in few words, and a question's hearing of them."""

from collections.abc import Iterable
from typing import Protocol

from fakes.logs import HEADER

from minibit.events import kinds
from minibit.events.entries import Entry
from minibit.events.kinds import Event
from minibit.inquiry.scene import Scene

Told = tuple[float, str, Event]


class Hearing(Protocol):
    def hear(self, entry: Entry) -> None: ...


def joined(
    resumed: int = 0,
    *,
    granted: int = 0,
    limit: float = 0.0,
    download_limit: float = 0.0,
    origin: bool = False,
) -> kinds.Joined:
    return kinds.Joined("10.0.0.1:5001", origin, limit, granted, resumed, download_limit)


def met(*names: str) -> list[Event]:
    return [kinds.Connected(name, "10.0.0.2:1", True, "") for name in names]


def sampled(
    *,
    down: float = 0.0,
    up: float = 0.0,
    unavailable: int = 0,
    owed: dict[str, int] | None = None,
    queued: dict[str, int] | None = None,
    choked_by: tuple[str, ...] = (),
) -> kinds.Sampled:
    return kinds.Sampled(
        down,
        up,
        0,
        0,
        0,
        0,
        unavailable,
        tuple((owed or {}).items()),
        tuple((queued or {}).items()),
        choked_by,
    )


def chosen(
    fixed: str = "",
    optimistic: str | None = None,
    *,
    scores: dict[str, float] | None = None,
    moves: dict[str, str] | None = None,
    round_due: bool = True,
    rule: str = "rare blocks held",
) -> kinds.Chosen:
    return kinds.Chosen(
        round_due,
        tuple(fixed.split()),
        optimistic,
        tuple((scores or {}).items()),
        tuple((moves or {}).items()),
        rule,
    )


def scene(happened: Iterable[Told], *questions: Hearing, of: Scene | None = None) -> Scene:
    """The scene after all this, heard by the questions on the way."""
    shown = of or Scene(HEADER.layout)
    for entry in (Entry(*each) for each in happened):
        for question in questions:
            question.hear(entry)
        shown.apply(entry)
    return shown
