"""A swarm under misfortune, in virtual time: the faults of a plan, and then peace.

Two promises are held. *Safety*: whatever happens, and at every look, no wrong byte is believed in, nobody
says "complete" wrongly, no invariant or bound of an engine or of the tracker is broken, and nobody holds more
than lines can have carried. *Liveness*: once the faults stop and what was broken is mended, each honest peer
becomes complete within a bound, or lacks just what nobody honest holds any more, and says so; whoever was
banned for a lie is as good as gone for who banned it. A plan in safety mode has no end to its faults, and
only the first promise is held. A seed is all that it takes to have any run again.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from minibit.engine.stalls import stall
from minibit.lab.ceiling import Ceiling
from minibit.lab.faults import Fault, Kind, Mode, Plan
from minibit.lab.observer import Observer
from minibit.lab.oracle import Oracle
from minibit.lab.simulated_peer import SimulatedPeer
from minibit.lab.simulator import Simulation
from minibit.text import ORIGIN

LOOK_SECONDS: Final = 5.0
PEACE_SECONDS: Final = 3600.0  # how long a swarm may take to recover once all is mended…
PATIENCE: Final = 5  # …besides so many times what its slowest line takes for the share
WONDER_SECONDS: Final = 1800.0  # how long it may take to find out that it cannot


class Outcome(Struct, frozen=True):
    """How a run ended: `findings` is what should not have been, `lacking` who ended without everything, and
    the reason it gave. Times are virtual seconds."""

    seconds: float
    recovered_after: float  # since the faults stopped
    events: int
    faults: int
    completed: int
    lacking: dict[str, str]
    findings: tuple[str, ...]


class Chaos:
    """One run of `plan`, also watched by `observer`."""

    def __init__(self, plan: Plan, observer: Observer | None = None) -> None:
        self._plan = plan
        self._oracle = Oracle(plan.scenario.layout, observer)
        self._ceiling = Ceiling(plan.scenario)
        self.simulation = Simulation(plan.scenario, self._oracle, heartbeat=plan.heartbeat)
        self.simulation.lies = True  # every chunk counts from the start, as anybody may lie later
        self._spoilt: dict[str, None] = {}  # peers that blamed others for what their own memory did
        self._lying: dict[str, None] = {}
        self._lied: dict[str, None] = {}  # who ever did: bans outlive the liar's restart
        self._cut: dict[tuple[str, str], None] = {}
        self._happened = 0

    def run(self) -> Outcome:
        """The whole of it."""
        for fault in self._plan.faults:
            self._pass(fault.at)
            self._befall(fault)
        self._pass(self._plan.storm)
        if self._plan.mode is Mode.SAFETY:
            return self._ended(0.0)
        self._mend()
        began, end = self.simulation.now, self.simulation.now + self._peace()
        while self.simulation.now < end and self._unfinished() and not self._oracle.findings:
            self._pass(self.simulation.now + LOOK_SECONDS)
        return self._outcome(began)

    def _pass(self, until: float) -> None:
        """Let time pass, and look again and again whether all is as it should be."""
        clock = self.simulation.clock
        while clock.now < until and not self._oracle.findings:
            clock.run(min(until, clock.now + LOOK_SECONDS), 1 << 62, lambda: False)
            self._oracle.look(clock.now)
            self._oracle.findings += self._too_much()

    def _too_much(self) -> Iterator[str]:
        """What is there of which there cannot be so much."""
        simulation, now = self.simulation, self.simulation.now
        for fault in self._ceiling.passed(simulation.origin, simulation.peers.values(), now):
            yield f"at {now:.3f} s: {fault}"
        rows = simulation.status().rows
        if len({row.name for row in rows}) != len(rows) or len(rows) > 1 + len(simulation.newcomers):
            yield f"at {now:.3f} s: the tracker lists somebody twice"
        low, high = self._plan.scenario.grant
        count = simulation.layout.block_count
        for row in rows:
            if not row.origin and not int(low * count) <= row.given <= high * count + 1:
                yield f"at {now:.3f} s: the tracker granted {row.name} {row.given} of {count} blocks"

    def _befall(self, fault: Fault) -> None:
        """This happens, if it can happen to who is there."""
        simulation, who, whom = self.simulation, fault.who, fault.whom
        peer = self._there(who)
        if peer is None or (whom and self._there(whom) is None):
            return
        self._happened += 1
        match fault.kind:
            case Kind.KILLED:
                simulation.kill(who)
            case Kind.LEFT:
                peer.nap.end()
                peer.leave()
            case Kind.SILENT if peer.alive and not peer.silent:
                simulation.silence(who)
            case Kind.RESTARTED:
                self._restart(peer)
            case Kind.EMPTIED:
                self._restart(peer, keep_disk=False)
            case Kind.CUT:
                self._cut[who, whom] = None
                simulation.cut(who, whom)
            case Kind.HEALED if (who, whom) in self._cut:
                del self._cut[who, whom]
                simulation.heal(who, whom)
            case Kind.CLOGGED:
                simulation.clog(who, fault.rate)
            case Kind.FREED:
                simulation.clog(who, 0.0)
            case Kind.SPOILT:
                self._spoilt[who] = None
                simulation.spoil(who, fault.blocks)
            case Kind.MENDED:
                simulation.spoil(who, 0)
            case Kind.ROTTEN if peer.alive and not peer.complete:
                peer.nap.end()  # it finds out by looking
                self._oracle.rotten(who, fault.blocks & peer.engine.blocks.have)
                simulation.rot(who, fault.blocks)
            case Kind.ASLEEP if peer.alive:
                simulation.nap(who)
            case Kind.AWAKE:
                simulation.wake(who)
            case Kind.OUTAGE if simulation.reachable:
                simulation.close_tracker()
            case Kind.REOPENED if not simulation.reachable:
                self._lying.pop(ORIGIN, None)
                simulation.open_tracker()
            case Kind.LYING:
                self._lying[who] = self._lied[who] = None
                simulation.lie(who)
            case _:
                self._happened -= 1

    def _there(self, name: str) -> SimulatedPeer | None:
        """Who is there by this name, or was."""
        return self.simulation.origin if name == ORIGIN else self.simulation.peers.get(name)

    def _restart(self, peer: SimulatedPeer, *, keep_disk: bool = True) -> None:
        self.simulation.kill(peer.name)
        self.simulation.restart(peer.name, keep_disk=keep_disk)
        self._spoilt.pop(peer.name, None)
        self._lying.pop(peer.name, None)

    def _mend(self) -> None:
        """The faults stop: everybody is there again, on lines as they should be."""
        for one, other in self._cut:
            self.simulation.heal(one, other)
        self._cut.clear()
        if not self.simulation.reachable:
            self.simulation.open_tracker()
        for peer in (self.simulation.origin, *self.simulation.peers.values()):
            self.simulation.clog(peer.name, 0.0)
            peer.nap.end()
        for name, peer in list(self.simulation.peers.items()):
            if not peer.alive or peer.silent or name in self._spoilt or name in self._lying:
                self._restart(peer)

    def _peace(self) -> float:
        """How many seconds a swarm may take to recover."""
        scenario = self._plan.scenario
        lines = [scenario.origin.fastest]
        for kind in scenario.classes:
            lines += [rate for rate in (kind.fastest, kind.download) if rate]
        return PEACE_SECONDS + PATIENCE * scenario.size / min(lines)

    def _within_reach(self, peer: SimulatedPeer) -> int:
        """The blocks that somebody holds who gives what is right, and whom this one deals with."""
        held = 0
        for other in (self.simulation.origin, *self.simulation.peers.values()):
            if other.alive and not other.lies and not other.kind.free_rider and not self._shun(peer, other):
                held |= other.engine.blocks.have
        return held

    def _shun(self, one: SimulatedPeer, other: SimulatedPeer) -> bool:
        """Whether one of these has banned the other for lies that it did tell."""
        return any(
            liar.name in self._lied and judge.engine.addresses.banned(liar.address)
            for judge, liar in ((one, other), (other, one))
        )

    def _unfinished(self) -> dict[str, SimulatedPeer]:
        """The honest who lack what they could have."""
        return {
            name: peer
            for name, peer in self.simulation.peers.items()
            if not peer.lies and self._within_reach(peer) & ~peer.engine.blocks.have
        }

    def _outcome(self, began: float) -> Outcome:
        simulation = self.simulation
        findings = self._oracle.findings
        now = simulation.now
        if not findings:
            findings += [
                f"{name} lacks {(peer.engine.blocks.full & ~peer.engine.blocks.have).bit_count()} of "
                f"{peer.engine.layout.block_count} blocks that others hold, {now - began:.0f} s after the "
                f"last fault: {_why(peer, now)}"
                for name, peer in self._unfinished().items()
            ]
        recovered = now - began
        lacking = [peer for peer in simulation.peers.values() if not peer.lies and not peer.complete]
        if lacking and not findings:
            self._wonder(lacking)
        return self._ended(recovered)

    def _wonder(self, lacking: list[SimulatedPeer]) -> None:
        """Time to find out that nobody has it: a liar on a slow line keeps up hope for a while."""
        simulation, end = self.simulation, self.simulation.now + WONDER_SECONDS
        while simulation.now < end and not all(_why(peer, simulation.now) for peer in lacking):
            self._pass(simulation.now + LOOK_SECONDS)
        silent = [peer.name for peer in lacking if not _why(peer, simulation.now)]
        self._oracle.findings += [f"{name} does not say why it halts" for name in silent]

    def _ended(self, recovered: float) -> Outcome:
        simulation = self.simulation
        honest = [peer for peer in simulation.peers.values() if not peer.lies]
        lacking = {peer.name: _why(peer, simulation.now) for peer in honest if not peer.complete}
        return Outcome(
            seconds=simulation.now,
            recovered_after=recovered,
            events=simulation.clock.events,
            faults=self._happened,
            completed=len(honest) - len(lacking),
            lacking=lacking,
            findings=tuple(self._oracle.findings),
        )


def _why(peer: SimulatedPeer, now: float) -> str:
    found = stall(peer.engine, now)
    return "" if found is None else found.explain()
