"""Event logs made by hand or drawn by Hypothesis."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args, get_type_hints

from hypothesis import strategies as st

from minibit.events.entries import Entry, Header, Kind
from minibit.events.kinds import KINDS, Event
from minibit.events.shapes import Blocks, MaybeCount, Number, Scores
from minibit.text import plain_text

BLOCKS = 8
HEADER = Header(
    kind=Kind.LIVE,
    version="0.3.0",
    start=1_000_000.0,
    share="film.bin",
    total_size=BLOCKS * 32768,
    block_size=32768,
    info_hash="ab" * 20,
    seed=1,
    settings={"picking": "rarest-first"},
)

texts = st.text(min_size=1, max_size=20).map(plain_text)
counts = st.integers(0, 1 << 40)
numbers = st.integers(-(1 << 40), 1 << 40).map(lambda thousandths: thousandths / 1000)
_DRAWN: dict[Any, st.SearchStrategy[Any]] = {
    Blocks: st.integers(0, 1 << 70),
    Number: numbers,
    MaybeCount: st.none() | counts,
    Scores: st.lists(st.tuples(texts, numbers), max_size=4).map(tuple),
    str: texts,
    int: counts,
    bool: st.booleans(),
    str | None: st.none() | texts,
    tuple[str, ...]: st.lists(texts, max_size=4).map(tuple),
    tuple[tuple[str, int], ...]: st.lists(st.tuples(texts, counts), max_size=4).map(tuple),
    tuple[tuple[str, str], ...]: st.lists(st.tuples(texts, texts), max_size=4).map(tuple),
}


def drawn(shape: Any) -> st.SearchStrategy[Any]:
    """Values of a field of this shape."""
    return _DRAWN[shape] if shape in _DRAWN else _DRAWN[get_args(shape)[0]]


@st.composite
def events(draw: st.DrawFn) -> Event:
    """An event of any kind."""
    kind = draw(st.sampled_from(list(KINDS.values())))
    hints = get_type_hints(kind, include_extras=True)
    return kind(**{name: draw(drawn(shape)) for name, shape in hints.items()})


entries = st.builds(
    Entry,
    t=st.integers(0, 10**12).map(lambda microseconds: microseconds / 1_000_000),
    peer=texts.filter(bool),
    event=events(),
)


def written(path: Path, happened: Iterable[tuple[float, str, Event]], header: Header = HEADER) -> Path:
    """A log in which this happened."""
    lines = [header.encode(), *(Entry(*each).encode() for each in happened)]
    path.write_text("".join(lines), encoding="utf-8")
    return path
