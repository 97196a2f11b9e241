"""A swarm of real processes on this machine: a tracker with its origin, and N peers.

Each process is a plain `minibit` command, forked from a `Nursery`, whose standard input is a pipe held
here. Closing the pipe asks it to end; the kernel closes it if this process is killed, so none survives its
swarm. All that is shown of the swarm comes from the tracker's `/status`, as `minibit status` would show it.
"""

import asyncio
import json
import re
import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from minibit.disk.check import check
from minibit.disk.storage import Storage
from minibit.errors import MinibitError, StalledError, StrategyError, TrackerUnreachableError, UsageError
from minibit.lab.child import Child, end, spawn
from minibit.lab.nursery import Nursery
from minibit.lab.place import refused
from minibit.lab.process_logs import ProcessLogs
from minibit.lab.scenario import Departure, Newcomer, OriginLine
from minibit.lab.standstill import STANDSTILL_SECONDS, Standstill, explain
from minibit.peer.tracker_client import TrackerClient
from minibit.snapshot import Figures, Summary, SummaryRow, SwarmRow, SwarmStatus
from minibit.torrent.metainfo import Metainfo

POLL_SECONDS: Final = 0.25
LAST_REPORTS: Final = 8  # how many times to look for the origin's last report
GIVE_UP_SECONDS: Final = 90.0  # without an answer from the tracker, before the swarm is given up…
RESTART_SECONDS: Final = 60.0  # …and when its process has ended
HASHING: Final = re.compile(r"hashing: (\d+)%")  # what a tracker says while it is not ready


class SwarmSettings(Struct, frozen=True):
    """What the user chose; `folder` holds a folder per peer, and the logs. `peers` come in this order."""

    peers: Sequence[Newcomer]
    share: Path
    folder: Path
    block_size: int | None = None
    origin: OriginLine = field(default_factory=OriginLine)
    grant: str = "30-50"
    stall_timeout: float | None = None  # s to go on while nothing moves; None for ever
    seed: int | None = None
    log: Path | None = None  # where the event logs of all processes are put together in the end…
    described: Mapping[str, Any] = field(default_factory=dict)  # …and the scenario, as that log tells it


class SwarmProcesses:
    """Starts, watches, verifies and ends a swarm.

    Args:
        nursery: where the processes come from; closed by whoever opened it.
        tell: called with a line about each thing that a user wants to know.
    """

    def __init__(self, settings: SwarmSettings, nursery: Nursery, *, tell: Callable[[str], None]) -> None:
        self._settings = settings
        self._nursery = nursery
        self._tell = tell
        self._tracker: Child | None = None
        self._restart = ""  # the command that brings the tracker back to where it was
        self._peers: list[Child] = []
        self._noted: set[str] = set()
        self._logs = ProcessLogs(settings.folder, settings.log)
        self._client: TrackerClient | None = None
        self._metainfo: Metainfo | None = None
        self._finished: dict[str, SwarmRow] = {}
        self._seen: dict[str, SwarmRow] = {}  # each peer as it was last
        self._started = time.monotonic()
        self._kinds = {newcomer.name: newcomer.kind for newcomer in settings.peers}
        self._arrives = {newcomer.name: newcomer.arrives for newcomer in settings.peers}
        self.names = list(self._kinds)

    @property
    def url(self) -> str:
        """The tracker's address; nothing before it is there."""
        return "" if self._client is None else self._client.url

    @property
    def elapsed(self) -> float:
        """Seconds since the peers were started."""
        return time.monotonic() - self._started

    async def start(self, progress: Callable[[int, int], None]) -> None:
        """Start the tracker, and, when it is ready, the peers; `progress(percent, 100)` while it hashes.

        Raises:
            MinibitError: the tracker could not be started, with its own words; a UsageError if it
                says that the user is to ask for something else, or if the folder cannot be written to.
        """
        arguments = ["tracker", "--json", "--port", "0", *self._tracker_arguments()]
        self._tracker = self._spawn("tracker", arguments, heard=True)
        pipe = self._tracker.process.stdout
        assert pipe is not None
        first = asyncio.create_task(asyncio.to_thread(pipe.readline))
        while not first.done():
            await asyncio.wait([first], timeout=POLL_SECONDS)
            if hashing := HASHING.fullmatch(self._tracker.last_words):
                progress(int(hashing[1]), 100)
        try:
            ready = json.loads(first.result())
        except ValueError:
            code = await asyncio.to_thread(self._tracker.process.wait)
            words = self._tracker.last_words
            if code == UsageError.exit_code:  # what it was asked for is what we were asked for
                raise self._refusal(self._tracker, words) from None
            raise MinibitError(f"the tracker did not start: {words}") from None
        progress(100, 100)
        ports = ["--port", ready["url"].rpartition(":")[2], "--origin-port", str(ready["origin_port"])]
        again = self._logs.arguments("tracker-again")
        self._restart = shlex.join(["minibit", "tracker", *ports, *self._tracker_arguments(), *again])
        self._client = TrackerClient(ready["url"])
        self._metainfo = (await self._client.torrent()).metainfo
        self._started = time.monotonic()
        self._come_and_go()

    async def watch(self, show: Callable[[SwarmStatus], None]) -> None:
        """Show the swarm, let peers come and go, until every peer that was to stay is complete.

        Raises:
            MinibitError: a peer ended for good before it was complete, or the tracker is gone.
            StalledError: nothing has moved for `stall_timeout`.
        """
        assert self._client is not None
        heard = time.monotonic()
        standstill = Standstill(heard)
        while True:
            try:
                view = await self._client.status()
            except TrackerUnreachableError as error:
                self._miss_tracker(error, time.monotonic() - heard)
            else:
                heard = time.monotonic()
                self._noted -= {"tracker", "tracker's end"}
                show(view)
                self._seen.update((row.name, row) for row in view.peers)
                self._finished.update(
                    (row.name, row) for row in view.peers if row.figures.completed_after is not None
                )
                if all(name in self._finished for name, kind in self._kinds.items() if kind.stays):
                    return
                self._come_and_go()
                self._look_after({row.name for row in view.peers})
                self._miss_progress(view, standstill.seconds(view, heard))
            await asyncio.sleep(POLL_SECONDS)

    async def verify(self, progress: Callable[[int, int], None], stop: Callable[[], bool]) -> Summary:
        """Hash every copy again, from the disk, whatever the peers said; `progress(blocks, in all)`."""
        assert self._client is not None
        assert self._metainfo is not None
        metainfo = self._metainfo
        done = self._finished.items()
        ends = (self._arrives[name] + (row.figures.completed_after or 0.0) for name, row in done)
        elapsed = max(ends, default=0.0)
        count = metainfo.layout.block_count
        rows: list[SummaryRow] = []
        for name in self.names:
            before = len(rows) * count

            def checked(done: int, _: int, before: int = before) -> None:
                progress(before + done, count * len(self.names))

            good, stays = 0, self._kinds[name].stays
            if stays or (self._settings.folder / name).exists():
                storage = Storage(metainfo, self._settings.folder / name, writable=False)
                try:
                    good = await asyncio.to_thread(check, storage, metainfo, checked, stop)
                finally:
                    storage.close()
            row = self._finished.get(name) or self._seen.get(name)
            figures = Figures() if row is None else row.figures
            rows.append(
                SummaryRow(
                    name=name,
                    completed_after=figures.completed_after,
                    downloaded=figures.downloaded,
                    from_origin=figures.from_origin,
                    given=0 if row is None else row.given,
                    given_by_origin=figures.dealt_by_origin,
                    verified=good.bit_count(),
                    stays=stays,
                )
            )
        return Summary(
            share=metainfo.name,
            total_size=metainfo.layout.total_size,
            block_size=metainfo.layout.block_size,
            block_count=count,
            info_hash=metainfo.info_hash.hex(),
            elapsed=elapsed,
            origin_uploaded=await self._origin_uploaded(),
            rows=tuple(rows),
        )

    async def _origin_uploaded(self) -> int:
        """What the origin has sent. It reports twice a second, so its last report is waited for: one that
        accounts for what the peers received."""
        assert self._client is not None
        received = sum(row.figures.from_origin for row in (self._seen | self._finished).values())
        for _ in range(LAST_REPORTS):
            try:
                view = await self._client.status()
            except TrackerUnreachableError:
                break
            if view.origin is not None and view.origin.figures.uploaded >= received:
                return view.origin.figures.uploaded
            await asyncio.sleep(POLL_SECONDS)
        return received  # this origin is gone, or a restarted one, which knows nothing of what went before

    def stop(self) -> None:
        """End every process: ask, insist, kill. Peers first, so that their goodbyes are heard."""
        for children in (self._peers, [self._tracker] if self._tracker else []):
            end(children)
        if self._client is not None:
            self._client.close()
        settings = self._settings
        self._logs.put_together(seed=settings.seed, settings=settings.described, tell=self._tell)

    def _spawn(self, name: str, arguments: Sequence[str], *, heard: bool = False) -> Child:
        log = self._settings.folder / f"{name}.log"
        try:
            return spawn(self._nursery, name, log, [*arguments, *self._logs.arguments(name)], heard=heard)
        except OSError as error:
            raise refused(self._settings.folder, error) from error

    def _tracker_arguments(self) -> list[str]:
        settings = self._settings
        arguments = ["--share", str(settings.share), "--grant", settings.grant]
        arguments += self._common(settings.origin.choking, settings.origin.upload, 0)
        if settings.block_size is not None:
            arguments += ["--block-size", str(settings.block_size)]
        return arguments

    def _peer_arguments(self, name: str, number: int) -> list[str]:
        assert self._client is not None
        kind, folder = self._kinds[name], self._settings.folder / name
        arguments = ["peer", name, "0", "--tracker", self._client.url, "--dir", str(folder)]
        if kind.leave is Departure.WHEN_COMPLETE:
            arguments.append("--leave-when-done")
        arguments += ["--download-limit", f"{kind.download:.0f}"]
        return [*arguments, "--picking", kind.picking, *self._common(kind.manners, kind.upload, number)]

    def _common(self, choking: str, upload: float, number: int) -> list[str]:
        arguments = ["--choking", choking, "--upload-limit", f"{upload:.0f}"]
        if self._settings.seed is not None:
            arguments += ["--seed", str(self._settings.seed + number)]
        return arguments

    def _come_and_go(self) -> None:
        """Start the peers whose time has come, and end those whose time is over."""
        for newcomer in self._settings.peers[len(self._peers) :]:
            if newcomer.arrives > self.elapsed:
                break
            child = self._spawn(newcomer.name, self._peer_arguments(newcomer.name, len(self._peers) + 1))
            if not newcomer.kind.stays:
                child.ends = self.elapsed + newcomer.kind.leave_seconds
            self._peers.append(child)
        for child in self._peers:
            if child.ends <= self.elapsed:
                child.ends = float("inf")
                if self._kinds[child.name].leave is Departure.KILLED:
                    child.process.kill()
                child.hush()

    def _miss_tracker(self, error: TrackerUnreachableError, silent: float) -> None:
        """Say that the tracker does not answer, and how to bring it back; give up in the end."""
        assert self._tracker is not None
        if self._tracker.process.poll() is None:
            if silent > GIVE_UP_SECONDS:
                raise error
            self._note("tracker", f"{error} Peers go on; waiting for it to come back")
            return
        words = self._tracker.last_words
        if self._tracker.process.poll() == UsageError.exit_code:  # it would end like this again
            raise self._refusal(self._tracker, f"the tracker has ended: {words}")
        self._note(
            "tracker's end",
            f"the tracker has ended ({words}), peers go on; "
            f"within a minute, this starts it again: {self._restart}",
        )
        if silent > RESTART_SECONDS:
            raise MinibitError(
                f"the tracker has ended ({words}) and did not come back: see {self._tracker.log}"
            )

    def _miss_progress(self, view: SwarmStatus, still: float) -> None:
        """Say that nothing moves, who lacks what, and why; give up in the end if the user wants that."""
        limit = self._settings.stall_timeout
        over = limit is not None and still >= limit
        if still < STANDSTILL_SECONDS:
            self._noted.discard("standstill")
            if not over:
                return
        lacking = {row.name for row in view.peers if row.blocks.bit_count() < view.block_count}
        why = (f"{c.name} says: {said}" for c in self._peers if c.name in lacking and (said := c.stalled))
        reason = f"nothing has moved for {still:.0f} s: {explain(view)}"
        if said_by_one := next(why, ""):
            reason += f"; {said_by_one}"
        if over:
            raise StalledError(f"gave up: {reason}")
        self._note("standstill", reason)

    def _look_after(self, active: Iterable[str]) -> None:
        """Say which peers have ended; give up when one has and nobody has started it again in time."""
        for child in self._peers:
            code = child.process.poll()
            if code is None or child.name in self._finished or not self._kinds[child.name].stays:
                continue
            if code == 0 and self._kinds[child.name].leave is Departure.WHEN_COMPLETE:
                self._finished[child.name] = self._left_complete(child.name)
                continue
            if code == UsageError.exit_code:
                raise self._refusal(child, f"{child.name}: {child.last_words}")
            if child.name not in active:
                raise MinibitError(
                    f"{child.name} ended before it was complete ({child.last_words}): see {child.log}"
                )
            log = self._logs.arguments(f"{child.name}-again")
            again = shlex.join([*self._peer_arguments(child.name, 0), *log])
            self._note(
                child.name, f"{child.name} has ended; within a minute, this resumes it: minibit {again}"
            )

    def _refusal(self, child: Child, words: str) -> UsageError:
        """Why a process ended with exit code 2; with its traceback, if a strategy of the user's raised."""
        if child.name not in self._kinds:
            named = self._settings.origin.choking
        else:
            named = self._kinds[child.name].picking + self._kinds[child.name].choking
        if ":" not in named:
            return UsageError(words)
        return StrategyError(f"{words}; see {child.log}", child.traceback)

    def _left_complete(self, name: str) -> SwarmRow:
        """A peer that ended because it was complete, sooner than the tracker could be asked about it."""
        after = max(0.0, self.elapsed - self._arrives[name])
        row = self._seen.get(name) or SwarmRow(name, "", 0, 0.0, 0, 0, False, Figures())
        return replace(row, figures=replace(row.figures, completed_after=after))

    def _note(self, about: str, line: str) -> None:
        if about not in self._noted:
            self._noted.add(about)
            self._tell(line)
