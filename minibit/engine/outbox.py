"""The effects that one input has so far, in order, until the shell is handed them."""

from minibit.engine.effects import Effect, Send, Tell
from minibit.wire.messages import Handshake, Haves, Message


class Outbox:
    """Where an engine's parts put what the shell is to do. `addressed` are
    the neighbours to whom something is said."""

    def __init__(self) -> None:
        self._effects: list[Effect] = []
        self.addressed: set[int] = set()

    def put(self, effect: Effect) -> None:
        """The shell is to do this, after all that was put before."""
        self._effects.append(effect)

    def send(self, key: int, *messages: Handshake | Message) -> None:
        """The shell is to say this to that neighbour."""
        if messages:
            self._effects.append(Send(key, messages))
            self.addressed.add(key)

    def tell(self, keys: tuple[int, ...], message: Haves) -> None:
        """The shell is to say this to all of those."""
        if keys:
            self._effects.append(Tell(keys, message))
            self.addressed.update(keys)

    def take(self) -> list[Effect]:
        """All effects since the last call."""
        effects = self._effects
        if effects:
            self._effects, self.addressed = [], set()
            return effects
        return []
