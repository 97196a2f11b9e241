"""Extensions by name (BEP 10), through the engine: both sides' ids, answers, and what nobody speaks."""

from collections.abc import Iterable

from fakes.puppets import Stage

from minibit.engine.effects import HangUp, Send
from minibit.engine.extensions import Handler, Say
from minibit.engine.neighbour import Neighbour
from minibit.errors import RemoteProtocolError
from minibit.wire import messages as m
from minibit.wire.extended import ExtendedHandshake


class Echo(Handler):
    """Answers each body twice, and takes offence at an empty one."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, bytes, float]] = []

    def hear(self, neighbour: Neighbour, body: bytes, now: float) -> Iterable[Say]:
        if not body:
            raise RemoteProtocolError("echo: nothing to repeat")
        self.heard.append((neighbour.key, body, now))
        return [Say(neighbour.key, body)] * 2


def introduced(stage: Stage, **ids: int) -> None:
    """Puppet 1, which hears these extensions under these ids."""
    stage.puppet(1)
    stage.says(1, m.Extended(0, ExtendedHandshake(extensions=ids).encode()))


def test_our_hello_names_what_we_speak() -> None:
    stage = Stage(extensions={"ut_echo": Echo(), "ut_other": Echo()})
    stage.connect(1)
    stage.greet(1)
    (hello,) = (message for message in stage.heard(1) if isinstance(message, m.Extended))
    assert ExtendedHandshake.decode(hello.body).extensions == {"ut_echo": 1, "ut_other": 2}


def test_a_message_is_heard_under_our_id_and_answered_under_theirs() -> None:
    echo = Echo()
    stage = Stage(extensions={"ut_other": Echo(), "ut_echo": echo})
    introduced(stage, ut_echo=9)
    assert stage.says(1, m.Extended(2, b"hi")) == [Send(1, (m.Extended(9, b"hi"),))] * 2
    assert echo.heard == [(1, b"hi", stage.now)]


def test_who_does_not_speak_it_is_not_answered() -> None:
    echo = Echo()
    stage = Stage(extensions={"ut_echo": echo})
    introduced(stage)
    assert stage.says(1, m.Extended(1, b"hi")) == []
    assert echo.heard


def test_one_that_is_switched_off_is_not_answered() -> None:
    stage = Stage(extensions={"ut_echo": Echo()})
    introduced(stage, ut_echo=9)
    stage.says(1, m.Extended(0, ExtendedHandshake(extensions={"ut_echo": 0}).encode()))
    assert stage.says(1, m.Extended(1, b"hi")) == []


def test_hellos_without_end_leave_nothing_behind() -> None:
    stage = Stage(extensions={"ut_echo": Echo()})
    introduced(stage, ut_echo=9)
    for number in range(50):
        others = {f"x{number}_{each}": 1 for each in range(100)}
        stage.says(1, m.Extended(0, ExtendedHandshake(extensions=others).encode()))
    assert stage.neighbour(1).extensions == {"ut_echo": 9}


def test_what_is_for_nobody_is_passed_over() -> None:
    stage = Stage(extensions={"ut_echo": Echo()})
    introduced(stage, ut_echo=9)
    assert stage.says(1, m.Extended(2, b"hi")) == []


def test_an_extension_may_end_the_connection() -> None:
    stage = Stage(extensions={"ut_echo": Echo()})
    introduced(stage, ut_echo=9)
    assert stage.says(1, m.Extended(1, b"")) == [HangUp(1, "echo: nothing to repeat")]
