"""Every error that MiniBit raises on purpose, and the exit code that each one means.

A user reads the message as it stands, on one line: it names what went wrong and what to do about it.
Our own misuse of an engine room (`LocalProtocolError`) is a bug and is never caught quietly; a
remote's misuse (`RemoteProtocolError`) costs that remote its connection and nobody else anything.
"""

from typing import ClassVar


class MinibitError(Exception):
    """Base of all deliberate errors; `exit_code` is what a command ends with when one reaches it."""

    exit_code: ClassVar[int] = 1


class UsageError(MinibitError):
    """What was asked for cannot be: a taken port, a missing path, a name in use, an unknown strategy."""

    exit_code = 2


class StrategyError(UsageError):
    """A strategy raised, or answered what is no answer; the message names it, and its file and line.

    `trace`: the lines of the traceback, where it raised in another process; here, `__cause__` has them.
    """

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace


class BencodeError(UsageError):
    """Bytes that are not canonical bencode (BEP 3), or that exceed our bounds on size and depth."""


class MetainfoError(UsageError):
    """A `.torrent` that is malformed, absurd or unsafe to lay out on a disk."""


class MagnetError(UsageError):
    """A magnet link that names no share that we can fetch."""


class StorageError(MinibitError):
    """The disk refused: full, read-only, or a file vanished or changed under us."""


class TrackerUnreachableError(MinibitError):
    """No tracker answered in the time allowed."""


class TrackerRefusedError(UsageError):
    """The tracker answered, and the answer was no (4xx); the message is the tracker's own."""


class OtherShareError(MinibitError):
    """The tracker shares something else than it did: nobody will find this swarm there any more."""


class StalledError(MinibitError):
    """Nothing came for as long as the user is willing to wait; the message says why."""


class RemoteProtocolError(MinibitError):
    """A neighbour broke the peer wire protocol: its connection is to be closed."""


class LocalProtocolError(MinibitError):
    """We tried to break the peer wire protocol ourselves: a bug in MiniBit."""
