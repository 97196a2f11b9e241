"""A swarm of real processes on this machine: a tracker with its origin, and N peers.

Each process is a plain `minibit` command whose standard input is a pipe held here. Closing the pipe
asks it to end; the kernel closes it if this process is killed, so none survives its swarm. All that is
shown of the swarm comes from the tracker's `/status`, as `minibit status` would show it.
"""

import asyncio
import json
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Final

from minibit.disk.check import check
from minibit.disk.storage import Storage
from minibit.errors import MinibitError, StalledError, TrackerUnreachableError, UsageError
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
STALLED: Final = "stalled: "  # how a peer begins to say why nothing comes
ASK_SECONDS: Final = 5.0  # for processes to say goodbye and end…
INSIST_SECONDS: Final = 3.0  # …and to obey SIGTERM


@dataclass(frozen=True, slots=True)
class SwarmSettings:
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


@dataclass(slots=True)
class Child:
    """One process; `log` is where everything it says goes, unless we read it. `ends` is when we end it, in
    seconds since the peers were started."""

    name: str
    process: "subprocess.Popen[str]"
    log: Path
    ends: float = float("inf")


class SwarmProcesses:
    """Starts, watches, verifies and ends a swarm.

    Args:
        tell: called with a line about each thing that a user wants to know.
    """

    def __init__(self, settings: SwarmSettings, *, tell: Callable[[str], None]) -> None:
        self._settings = settings
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
        self._tracker = self._spawn("tracker", arguments, stdout=subprocess.PIPE)
        pipe = self._tracker.process.stdout
        assert pipe is not None
        first = asyncio.create_task(asyncio.to_thread(pipe.readline))
        while not first.done():
            await asyncio.wait([first], timeout=POLL_SECONDS)
            if hashing := HASHING.fullmatch(_last_words(self._tracker)):
                progress(int(hashing[1]), 100)
        try:
            ready = json.loads(first.result())
        except ValueError:
            code = await asyncio.to_thread(self._tracker.process.wait)
            words = _last_words(self._tracker)
            if code == UsageError.exit_code:  # what it was asked for is what we were asked for
                raise UsageError(words) from None
            raise MinibitError(f"the tracker did not start: {words}") from None
        progress(100, 100)
        ports = ["--port", ready["url"].rpartition(":")[2], "--origin-port", str(ready["origin_port"])]
        again = self._logs.arguments("tracker-again")
        self._restart = shlex.join(["minibit", "tracker", *ports, *self._tracker_arguments(), *again])
        self._client = TrackerClient(ready["url"])
        self._metainfo = await self._client.torrent()
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
            _end(children)
        if self._client is not None:
            self._client.close()
        settings = self._settings
        self._logs.put_together(seed=settings.seed, settings=settings.described, tell=self._tell)

    def _spawn(self, name: str, arguments: Sequence[str], stdout: int | None = None) -> Child:
        log = self._settings.folder / f"{name}.log"
        try:
            file = log.open("w")
        except OSError as error:
            raise refused(self._settings.folder, error) from error
        with file:
            process = subprocess.Popen(
                [sys.executable, "-m", "minibit", *arguments, *self._logs.arguments(name), "--until-eof"],
                stdin=subprocess.PIPE,
                stdout=file if stdout is None else stdout,
                stderr=file,
                text=True,
                start_new_session=True,  # Ctrl-C is for us; we pass it on in our own order
            )
        return Child(name, process, log)

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
                _close(child.process.stdin)

    def _miss_tracker(self, error: TrackerUnreachableError, silent: float) -> None:
        """Say that the tracker does not answer, and how to bring it back; give up in the end."""
        assert self._tracker is not None
        if self._tracker.process.poll() is None:
            if silent > GIVE_UP_SECONDS:
                raise error
            self._note("tracker", f"{error} Peers go on; waiting for it to come back")
            return
        words = _last_words(self._tracker)
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
        why = (f"{c.name} says: {said}" for c in self._peers if c.name in lacking and (said := _stalled(c)))
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
                raise UsageError(f"{child.name}: {_last_words(child)}")
            if child.name not in active:
                raise MinibitError(
                    f"{child.name} ended before it was complete ({_last_words(child)}): see {child.log}"
                )
            log = self._logs.arguments(f"{child.name}-again")
            again = shlex.join([*self._peer_arguments(child.name, 0), *log])
            self._note(
                child.name, f"{child.name} has ended; within a minute, this resumes it: minibit {again}"
            )

    def _left_complete(self, name: str) -> SwarmRow:
        """A peer that ended because it was complete, sooner than the tracker could be asked about it."""
        after = max(0.0, self.elapsed - self._arrives[name])
        row = self._seen.get(name) or SwarmRow(name, "", 0, 0.0, 0, 0, False, Figures())
        return replace(row, figures=replace(row.figures, completed_after=after))

    def _note(self, about: str, line: str) -> None:
        if about not in self._noted:
            self._noted.add(about)
            self._tell(line)


def _end(children: Sequence[Child]) -> None:
    running = [child.process for child in children]
    for process in running:
        _close(process.stdin)
    for number, patience in ((0, ASK_SECONDS), (signal.SIGTERM, INSIST_SECONDS), (signal.SIGKILL, None)):
        for process in running:
            process.send_signal(number)  # 0 only asks whether it is there
        deadline = None if patience is None else time.monotonic() + patience
        left = []
        for process in running:
            try:
                process.wait(None if deadline is None else max(0.01, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                left.append(process)
        running = left
    for child in children:
        _close(child.process.stdout)  # not before it has ended: a thread may still be reading it


def _close(pipe: IO[str] | None) -> None:
    if pipe is not None:
        pipe.close()


def _stalled(child: Child) -> str:
    """Why nothing comes, as the process itself last said; nothing if it did not."""
    try:
        lines = child.log.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    return next((line.removeprefix(STALLED) for line in reversed(lines) if line.startswith(STALLED)), "")


def _last_words(child: Child) -> str:
    """The last line a process wrote, or how it ended."""
    try:
        lines = child.log.read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1].removeprefix("minibit: ") if lines else f"exit code {child.process.poll()}"
