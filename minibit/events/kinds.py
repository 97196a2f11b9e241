"""The kinds of events, schema 1. In a log, each is an object with `t`, `peer`, `event`, and these fields.

`who` is always another peer, by its name, or by its address if it told none. Blocks are numbers from 0;
rates are bytes per second, totals payload bytes since the peer joined.
"""

from typing import Final

from msgspec import Struct

from minibit.events.shapes import (
    Blocks,
    Count,
    Counts,
    Flag,
    MaybeCount,
    MaybeName,
    Moves,
    Name,
    Names,
    Number,
    Reason,
    Scores,
)

# --- a peer comes and goes


class Joined(Struct, frozen=True):
    """It begins to trade, at this address, holding the blocks `resumed`; the tracker dealt it `granted`.

    Logs of 0.4.0 and before do not tell `download_limit`.
    """

    address: Name
    origin: Flag
    upload_limit: Number  # 0 is none
    granted: Blocks
    resumed: Blocks
    download_limit: Number = 0.0  # 0 is none


class Left(Struct, frozen=True):
    """It trades no more. `how` is "goodbye", "ended" (by an error, `why` says which) or "killed"."""

    how: Name
    why: Reason


class Completed(Struct, frozen=True):
    """Its last block was verified."""


class Stalled(Struct, frozen=True):
    """It lacks `lacking` blocks, and nothing has come for a while; `reason` says who could mend that."""

    reason: Reason
    lacking: Count


class Sampled(Struct, frozen=True):
    """How it stands, once a second. `downloaded` counts wasted bytes too, `from_origin` is a part of it."""

    down_rate: Number
    up_rate: Number
    downloaded: Count
    uploaded: Count
    from_origin: Count
    in_flight: Count  # blocks of which some chunks are asked for or here, or that are being verified
    unavailable: Count  # blocks that it lacks and that no neighbour has told it of
    owed: Counts  # chunks that it has asked for and that have not come, by neighbour
    queued: Counts  # chunks that it was asked for and that have not left, by neighbour
    choked_by: Names  # who holds what it lacks and chokes it


class Recalled(Struct, frozen=True):
    """It is asked while it runs, and remembers no more of the time before than this: the blocks that it
    verified then, and how many chunks of them came from each neighbour."""

    blocks: Blocks
    senders: Counts


# --- its neighbours


class Dialled(Struct, frozen=True):
    """It tries to connect to this peer."""

    who: Name


class DialFailed(Struct, frozen=True):
    """Nobody answered there."""

    who: Name


class Connected(Struct, frozen=True):
    """This peer has said who it is, and is a neighbour."""

    who: Name
    address: Name
    outgoing: Flag  # whether it was dialled
    client: Name


class Disconnected(Struct, frozen=True):
    """This neighbour, or who might have become one, is one no more."""

    who: Name
    reason: Reason


class Banned(Struct, frozen=True):
    """It deals with this peer no more."""

    who: Name
    reason: Reason


# --- what it decides


class Picked(Struct, frozen=True):
    """It asks this neighbour for this block: by `rule`, one of `tied` equals among `candidates`."""

    block: Count
    who: Name
    rule: Reason
    candidates: Count
    tied: Count
    copies: MaybeCount  # among its neighbours; null if the rule does not count them


class Chosen(Struct, frozen=True):
    """It dealt its upload slots anew: in a round, or between two and then only told if somebody moved.

    `scores` has everybody who competed and was ranked, `moves` everybody who got a place ("drawn",
    "promoted", "filled", "admitted" …) or lost one ("demoted", "replaced", "dismissed", "lost interest",
    "left" …). `rule` says what a score is, `extra` whom an idle line serves besides; logs of 0.3.0 do not.
    """

    round_due: Flag
    fixed: Names
    optimistic: MaybeName
    scores: Scores
    moves: Moves
    rule: Reason = ""
    extra: Names = ()


# --- its blocks


class Verified(Struct, frozen=True):
    """This block is here and right; `senders` are the chunks of it that came from each neighbour."""

    block: Count
    senders: Counts


class Corrupt(Struct, frozen=True):
    """This block was wrong, and was thrown away."""

    block: Count
    senders: Counts


Event = (
    Joined
    | Left
    | Completed
    | Stalled
    | Sampled
    | Recalled
    | Dialled
    | DialFailed
    | Connected
    | Disconnected
    | Banned
    | Picked
    | Chosen
    | Verified
    | Corrupt
)

KINDS: Final[dict[str, type[Event]]] = {
    "joined": Joined,
    "left": Left,
    "completed": Completed,
    "stalled": Stalled,
    "sampled": Sampled,
    "recalled": Recalled,
    "dialled": Dialled,
    "dial failed": DialFailed,
    "connected": Connected,
    "disconnected": Disconnected,
    "banned": Banned,
    "picked": Picked,
    "chosen": Chosen,
    "verified": Verified,
    "corrupt": Corrupt,
}
