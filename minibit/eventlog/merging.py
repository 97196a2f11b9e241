"""One log out of many: what each process of a swarm saw, by time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from heapq import merge as by_time
from operator import itemgetter
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from minibit.errors import UsageError
from minibit.eventlog.reading import Reader
from minibit.eventlog.writing import Writer
from minibit.events.entries import MICROSECONDS, Entry
from minibit.events.kinds import Left


def merge(
    sources: Sequence[Path],
    target: Path,
    *,
    seed: int | None,
    settings: Mapping[str, Any],
    tell: Callable[[str], None],
) -> None:
    """Write to `target` all events of these logs, in the order in which they happened.

    The time of the first one's start is the time of the whole. Who ended without a word was killed. A log
    that cannot be read is left out, and said.
    """
    with ExitStack() as stack:
        readers: list[Reader] = []
        for path in sources:
            try:
                readers.append(stack.enter_context(Reader(path)))
            except UsageError as error:  # its process was killed before it wrote anything
                tell(str(error))
        if not readers:
            return
        start = min(reader.header.start for reader in readers)
        header = replace(readers[0].header, start=start, seed=seed, settings=dict(settings))
        writer = Writer(target, header, tell=tell)
        for t, line in by_time(*(_moments(reader, start) for reader in readers), key=itemgetter(0)):
            writer.write_line(f'{{"t":{t}{line}')
        writer.close()
        for reader in readers:
            for remark in reader.remarks():
                tell(remark)


def _moments(reader: Reader, start: float) -> Iterator[tuple[float, str]]:
    """The time of each event since `start`, and the rest of its line."""
    later, t, line = reader.header.start - start, 0.0, ""
    for t, line in reader.moments():
        yield round(t + later, MICROSECONDS), line
    try:
        last = Entry.decode(f'{{"t":{t}{line}'.encode())
    except ValueError:  # nothing happened at all
        return
    if last is not None and not isinstance(last.event, Left):
        killed = Entry(0.0, last.peer, Left("killed", "its log ends without a goodbye"))
        yield round(t + later, MICROSECONDS), killed.encode().removeprefix('{"t":0.0')
