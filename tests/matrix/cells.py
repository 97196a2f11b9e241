"""The cells of the matrix: what a foreign client and MiniBit do for each other, one swarm each.

A cell returns seconds, or raises a `CellError` that says what was in vain. Those that are `compared` are also
tried with libtorrent in MiniBit's place, in the same run.
"""

from collections.abc import Callable
from dataclasses import dataclass

from matrix.stage import CellError, Stage

SLOW = "2M"  # bytes per second of an origin, where there is to be time to do something meanwhile


@dataclass(frozen=True)
class Cell:
    """One row of the table."""

    key: str
    title: str
    run: Callable[[Stage], float]
    compared: bool = False


def alone(stage: Stage) -> float:
    stage.serve()
    return stage.seconds([stage.client("foreign")])


def crowd(stage: Stage) -> float:
    stage.serve()
    peers = [stage.peer("ana"), stage.peer("bia")]
    seconds = stage.seconds([stage.client("foreign")])
    stage.seconds(peers)
    return seconds


def feeds(stage: Stage) -> float:
    stage.serve(gives=False)
    stage.client("foreign", complete=True)
    stage.listed(1)
    return stage.seconds([stage.peer("ana")])


def fed(stage: Stage) -> float:
    """A complete peer gives, and there is no origin."""
    stage.serve(gives=False)
    stage.peer("ana", complete=True)
    stage.listed(1)
    return stage.seconds([stage.client("foreign")])


def mixed(stage: Stage) -> float:
    stage.serve()
    peers = [stage.peer("ana"), stage.peer("bia")]
    return stage.seconds([*peers, stage.client("one"), stage.client("other")])


def orphaned(stage: Stage) -> float:
    """Origin and tracker are killed as soon as the others are all there, and have a copy of every block among
    them."""
    stage.serve("--upload-limit", SLOW)
    copies = [stage.peer("ana"), stage.peer("bia"), stage.client("foreign")]

    def out() -> bool:
        view = stage.view()
        return len(view.peers) == len(copies) and bool(view.rarest_copies)

    stage.wait(out, "one copy is out")
    for program in stage.origin:
        program.kill()
    return stage.seconds(copies)


def secretive(stage: Stage) -> float:
    stage.serve()
    return stage.seconds([stage.client("foreign", secretive=True)])


def secretive_feeds(stage: Stage) -> float:
    stage.serve(gives=False)
    stage.client("foreign", complete=True, secretive=True)
    stage.listed(1)
    return stage.seconds([stage.peer("ana")])


def magnet(stage: Stage) -> float:
    """It knows nothing but a magnet link."""
    stage.serve()
    stage.by_magnet = True
    return stage.seconds([stage.client("foreign")])


def magnet_feeds(stage: Stage) -> float:
    """It has everything, and a peer knows nothing but a magnet link."""
    stage.serve(gives=False)
    stage.client("foreign", complete=True)
    stage.listed(1)
    stage.by_magnet = True
    return stage.seconds([stage.peer("ana")])


def six(stage: Stage) -> float:
    stage.families = "6"
    stage.serve()
    peer = stage.peer("ana")
    return stage.seconds([peer, stage.client("foreign")])


def both(stage: Stage) -> float:
    """The tracker has both families, the client IPv4 alone, and a peer IPv6 alone."""
    stage.families = "46"
    stage.serve()
    stage.families = "6"
    peer = stage.peer("ana")
    stage.families = "4"
    return stage.seconds([peer, stage.client("foreign")])


def returns(stage: Stage) -> float:
    """It is ended in the middle, started by the same line, and the tracker knows one of it."""
    stage.serve("--upload-limit", SLOW)
    host = stage.host()
    first = stage.on(host, "foreign")
    quarter = stage.share.stat().st_size // 4
    stage.wait(lambda: stage.given >= quarter, "a quarter of it is there")
    if not first.program.end():
        raise CellError("it did not end when asked to")
    seconds = stage.seconds([stage.on(host, "foreign")])
    if (times := stage.given / stage.share.stat().st_size) > 1.5:
        raise CellError(f"it fetched again what it had, {times:.1f} × the share in all")
    if len(stage.view().peers) != 1:
        raise CellError(f"listed {len(stage.view().peers)} times")
    return seconds


CELLS = (
    Cell("alone", "from the origin alone", alone, compared=True),
    Cell("crowd", "from origin and peers", crowd, compared=True),
    Cell("fed", "from a complete peer", fed, compared=True),
    Cell("feeds", "feeds a peer", feeds, compared=True),
    Cell("mixed", "crowd of 2 + 2", mixed, compared=True),
    Cell("orphaned", "origin and tracker killed", orphaned),
    Cell("secretive", "encryption required: gets", secretive),
    Cell("secretive-feeds", "… and feeds", secretive_feeds),
    Cell("magnet", "by a magnet link", magnet),
    Cell("magnet-feeds", "feeds a peer by a magnet link", magnet_feeds),
    Cell("ipv6", "IPv6 only", six),
    Cell("both", "IPv4, where others have IPv6", both),
    Cell("returns", "leaves, returns", returns),
)
