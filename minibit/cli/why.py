"""`minibit why`: why a block was asked of whom, who is choked, who is slow; from a log or a running peer."""

import asyncio
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from msgspec import Struct, to_builtins

from minibit.address import is_loopback
from minibit.cli.options import DEFAULT_TRACKER
from minibit.cli.running import finish
from minibit.errors import UsageError
from minibit.eventlog.interview import ask, meeting_place
from minibit.eventlog.reading import Reader
from minibit.inquiry.block import BlockQuestion
from minibit.inquiry.choking import ChokingQuestion
from minibit.inquiry.progress import Progress, Verdict, progress
from minibit.inquiry.scene import Scene
from minibit.peer.ending import Interrupt
from minibit.peer.tracker_client import TrackerClient
from minibit.screen.display import Display
from minibit.screen.sentences import block_lines, choking_lines, progress_line, progress_lines
from minibit.units import count, duration

EVENTS_AT_ONCE: Final = 5000
MAX_LISTED: Final = 12  # peers in an overview; the slowest come first
MAX_KNOWN: Final = 8  # names in an error


class Asked(Struct, frozen=True):
    """What the user wants to know: of `block`, of who is `choked`, in `peer`'s view, at a moment."""

    peer: str | None
    block: int | None
    choked: str | None
    at: float | None


def run_why(file: Path | None, tracker: str, asked: Asked, *, as_json: bool) -> None:
    """Answer from this log, or, without one, ask the peer that the user named."""
    interrupt = Interrupt()

    async def look(display: Display) -> None:
        if file is not None:
            await _answer(file, str(file), asked, display)
            return
        assert asked.peer is not None
        with TemporaryDirectory(prefix="minibit-why-") as folder:
            log = Path(folder) / "recollection.jsonl"
            log.write_bytes(await _interviewed(tracker, asked.peer))
            where = "" if tracker == DEFAULT_TRACKER else f" --tracker {tracker}"
            await _answer(log, f"--peer {asked.peer}{where}", asked, display)

    with Display(as_json=as_json) as display:
        finish(interrupt, look(display), display, waits_for="the log")


async def _interviewed(tracker: str, name: str) -> bytes:
    client = TrackerClient(tracker)
    try:
        status = await client.status()
    finally:
        client.close()
    row = next((row for row in status.rows if row.name == name), None)
    if row is None:
        known = _known(row.name for row in status.rows)
        raise UsageError(f"--peer: the tracker at {client.url} knows no {name!r}: {known}")
    where = "" if is_loopback(row.ip) else f" (it is at {row.ip})"
    return await ask(meeting_place(status.info_hash, row.port), f"{name}{where}")


async def _answer(path: Path, source: str, asked: Asked, display: Display) -> None:
    with Reader(path) as reader:
        scene = Scene(reader.header.layout)
        questions: list[BlockQuestion | ChokingQuestion] = []
        if asked.block is not None:
            if asked.block >= reader.header.layout.block_count:
                last = reader.header.layout.block_count - 1
                raise UsageError(f"--block: there is no block {asked.block}: choose one from 0 to {last}")
            questions.append(BlockQuestion(scene, asked.block, asked.peer))
        if asked.choked is not None:
            questions.append(ChokingQuestion(scene, asked.choked, asked.peer))
        await _listen(reader, scene, questions, float("inf") if asked.at is None else asked.at)
        if asked.peer is not None and asked.peer not in scene.actors:
            raise UsageError(f"--peer: the log tells of no {asked.peer!r} by then: {_known(scene.actors)}")
        answers, lines = _told(scene, questions, asked)
        hints = [] if questions else _hints(scene, source, asked)
        moment = f"at {duration(scene.t, tenths=True)}"
        display.tell(f"{reader.header.share}, {moment}")
        for line in lines:
            display.tell(line)
        for hint in hints:
            display.tell(hint)
        display.document({"share": reader.header.share, "at": scene.t, "answers": answers, "said": lines})
        for remark in reader.remarks():
            print(f"minibit: {remark}", file=sys.stderr)


async def _listen(
    reader: Reader, scene: Scene, questions: Sequence[BlockQuestion | ChokingQuestion], until: float
) -> None:
    """Let the scene and the questions hear the log up to that moment, or its end; a Ctrl-C is not kept
    waiting."""
    for number, (entry, _) in enumerate(reader.entries()):
        if entry.t > until:
            scene.t = until
            return
        for question in questions:
            question.hear(entry)
        scene.apply(entry)
        if not number % EVENTS_AT_ONCE:
            await asyncio.sleep(0)


def _told(
    scene: Scene, questions: Sequence[BlockQuestion | ChokingQuestion], asked: Asked
) -> tuple[list[dict[str, Any]], list[str]]:
    """The answers as JSON-ready values, and in words."""
    answers: list[dict[str, Any]] = []
    lines: list[str] = []
    for question in questions:
        if isinstance(question, BlockQuestion):
            stories = question.answer()
            if not stories:
                lines.append(f"nobody had asked for block {asked.block} by then")
            for story in stories:
                answers.append({"question": "block"} | to_builtins(story))
                lines += block_lines(story)
        else:
            places = question.answer()
            if not places:
                raise UsageError(
                    f"--choked: nobody had {asked.choked!r} for a neighbour by then: {_known(scene.actors)}"
                )
            for place in places:
                answers.append({"question": "choked"} | to_builtins(place))
                lines += choking_lines(place)
    if not questions:
        found = _progresses(scene, asked.peer)
        answers = [{"question": "progress"} | to_builtins(each) for each in found]
        if asked.peer is None and len(found) > 1:
            lines = [progress_line(each) for each in found[:MAX_LISTED]]
            if len(found) > MAX_LISTED:
                lines.append(f"… and {len(found) - MAX_LISTED} more, further on")
        else:
            lines = [line for each in found for line in progress_lines(each)]
    return answers, lines


def _progresses(scene: Scene, peer: str | None) -> list[Progress]:
    """How the one that was asked about stands, or everybody but the origin, the furthest behind first."""
    actors = [actor for actor in scene.actors.values() if peer in (None, actor.name)]
    if peer is None and len(actors) > 1:
        actors = [actor for actor in actors if not actor.origin]
    found = [progress(scene, actor) for actor in actors]
    return sorted(found, key=lambda each: (each.verdict is Verdict.LEFT, each.have))


def _hints(scene: Scene, source: str, asked: Asked) -> list[str]:
    """What else can be asked, with names that are there."""
    actors = [actor for actor in scene.actors.values() if not actor.origin] or list(scene.actors.values())
    if not actors:
        return []
    live = source.startswith("--peer")
    one = next((actor for actor in actors if actor.name == asked.peer), actors[0])
    at = "" if asked.at is None else f" --at {asked.at:g}"
    view = "" if live else f" --peer {one.name}"
    more: list[tuple[str, str]] = []
    if asked.at is None and not live:
        more.append((f" --at {scene.t / 2:.0f}", "who was slow half way, and why"))
    if asked.peer is None and len(scene.actors) > 1:
        more.append((f"{view}{at}", "one peer: what it waits for, and whose blocks it has"))
    if one.pick is not None:
        more.append((f"{view} --block {one.pick.block}", "why it was asked of whom"))
    if scene.loser is not None:
        viewer, who, when = scene.loser
        then = "" if live else f" --peer {viewer} --at {when:g}"
        more.append((f" --choked {who}{then}", "rank, score, cut line, next round"))
    if not more:
        return []
    width = max(len(options) for options, _ in more)
    return ["", "ask on:", *(f"  minibit why {source}{options:{width}}   # {what}" for options, what in more)]


def _known(names: Iterable[str]) -> str:
    told = list(names)
    shown = ", ".join(told[:MAX_KNOWN]) or "nobody"
    more = len(told) - MAX_KNOWN
    return f"choose {shown}" + (f" or one of {count(more, 'other')}" if more > 0 else "")
