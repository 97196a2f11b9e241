"""The extensions that we speak, by name: one table from BEP 10's name to who hears it.

A side chooses the ids under which it wants to hear each extension; ours follow from the order of the table.
"""

from collections.abc import Callable, Iterable, Mapping

from minibit.engine.neighbour import Neighbour
from minibit.wire.messages import Extended

Handler = Callable[[Neighbour, bytes, float], Iterable[bytes]]
"""Hears `(neighbour, body, now)` and returns the bodies to answer with, under the same name.

It raises `RemoteProtocolError` where the body is none of this extension's.
"""


class Extensions:
    """The table. `ids` is what our extended handshake says."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self.ids = {name: number for number, name in enumerate(handlers, start=1)}
        self._by_id = dict(enumerate(handlers.items(), start=1))

    def hear(self, neighbour: Neighbour, message: Extended, now: float) -> list[Extended]:
        """Hand a message to who hears it; returns the answers. What is for nobody is passed over (BEP 10)."""
        name, handler = self._by_id.get(message.extension, ("", None))
        if handler is None:
            return []
        answers = handler(neighbour, message.body, now)
        theirs = neighbour.extensions.get(name)
        return [Extended(theirs, body) for body in answers] if theirs else []
