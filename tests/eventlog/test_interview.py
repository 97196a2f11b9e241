"""A running peer is asked by its own user, and by nobody else; who asks costs it little."""

import asyncio
import gc
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from fakes.nodes import bounded, cut_short

from minibit.errors import MinibitError
from minibit.eventlog import interview as module
from minibit.eventlog.interview import Interview, ask, meeting_place


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "own" / "ab-5001"


def held(place: Path, recall: Callable[[], str], meanwhile: Callable[[], Awaitable[None]]) -> list[str]:
    told: list[str] = []

    async def hold() -> None:
        async with Interview(place, recall, tell=told.append):
            await meanwhile()

    bounded(hold)
    return told


def test_where_a_peer_is_asked() -> None:
    one = meeting_place("ab" * 20, 5001)
    assert one.name == "abababababab-5001"
    assert one.parent.name.startswith("minibit-")


def test_who_asks_is_told_and_nothing_is_left(place: Path) -> None:
    said = "x" * 300_000 + "end"

    async def meanwhile() -> None:
        assert await ask(place, "ana") == said.encode()

    assert held(place, lambda: said, meanwhile) == []
    assert not place.parent.exists()


def test_many_who_ask_are_told_the_same_words(place: Path) -> None:
    asked: list[None] = []

    async def meanwhile() -> None:
        for _ in range(20):
            assert await ask(place, "ana") == b"said"

    held(place, lambda: asked.append(None) or "said", meanwhile)  # type: ignore[func-returns-value]
    assert len(asked) == 1


def test_who_does_not_listen_keeps_nobody_for_long(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TELL_SECONDS", 0.2)

    async def meanwhile() -> None:
        idle = [await asyncio.open_unix_connection(place) for _ in range(module.MAX_ANSWERED)]
        await asyncio.sleep(0.05)
        refused, closing = await asyncio.open_unix_connection(place)
        assert await refused.read() == b""
        closing.close()
        await asyncio.sleep(0.3)
        assert len(await ask(place, "ana")) == 10_000_000
        for _, writer in idle:
            writer.close()

    held(place, lambda: "x" * 10_000_000, meanwhile)


def test_what_a_killed_peer_left_is_taken_over(place: Path) -> None:
    place.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(place))

    async def meanwhile() -> None:
        assert await ask(place, "ana") == b"alive"

    assert held(place, lambda: "alive", meanwhile) == []


def test_somebody_alive_is_not_put_out(place: Path) -> None:
    async def meanwhile() -> None:
        told: list[str] = []
        async with Interview(place, lambda: "second", tell=told.append):
            assert await ask(place, "ana") == b"first"
        assert "somebody answers at" in told[0]
        assert await ask(place, "ana") == b"first"

    held(place, lambda: "first", meanwhile)


def test_who_is_cancelled_while_it_begins_leaves_nothing(place: Path) -> None:
    for turns in range(5):
        bounded(lambda turns=turns: cut_short(Interview(place, lambda: "", tell=lambda _: None), turns))
        assert not place.parent.exists()
    gc.collect()  # a socket that nobody closed would say so now


@pytest.mark.parametrize("mode", [0o755, 0o710])
def test_a_folder_that_others_may_enter_is_not_used(place: Path, mode: int) -> None:
    place.parent.mkdir()
    place.parent.chmod(mode)

    async def meanwhile() -> None:
        with pytest.raises(MinibitError, match=r"ana cannot be asked from here: .* --log FILE"):
            await ask(place, "ana")

    (said,) = held(place, lambda: "secret", meanwhile)
    assert "is not this user's alone" in said
    assert not list(place.parent.iterdir())


def test_a_link_to_a_folder_is_not_used(place: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    place.parent.symlink_to(tmp_path / "elsewhere")

    async def meanwhile() -> None:
        pass

    assert len(held(place, lambda: "secret", meanwhile)) == 1


def test_an_endless_answer_is_none(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ANSWER", 1000)

    async def meanwhile() -> None:
        with pytest.raises(MinibitError):
            await ask(place, "ana")

    held(place, lambda: "x" * 1001, meanwhile)
