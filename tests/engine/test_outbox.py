"""The effects of one input, in order."""

from minibit.engine.effects import Announce, Send, Tell
from minibit.engine.outbox import Outbox
from minibit.wire import messages as m


def test_effects_come_out_once_in_order_and_whom_they_tell_is_known() -> None:
    outbox = Outbox()
    outbox.send(3, m.Choke(), m.Interested())
    outbox.put(Announce("late"))
    outbox.send(1, m.Unchoke())
    outbox.tell((4, 5), m.Haves.of(9))
    assert outbox.addressed == {3, 1, 4, 5}
    assert outbox.take() == [
        Send(3, (m.Choke(), m.Interested())),
        Announce("late"),
        Send(1, (m.Unchoke(),)),
        Tell((4, 5), m.Haves.of(9)),
    ]
    assert (outbox.take(), outbox.addressed) == ([], set())


def test_nothing_to_say_is_no_effect() -> None:
    outbox = Outbox()
    outbox.send(1)
    outbox.tell((), m.Haves.of(9))
    assert (outbox.take(), outbox.addressed) == ([], set())
