"""Standard output as it really is: of few letters, full, closed, or read by nobody any more.

Whoever writes to it need not care: a write never raises. What a stream is and who ends a command that
nobody hears is unknown here; nothing but the standard library is imported, for `--help` is written here too.
"""

import codecs
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TextIO

ASCII: Final = str.maketrans("·░▒▓█■▁★✓↻…—–•─×", ".-+*#%_*v?~--|-x")
"""Each glyph of ours, and one of ASCII that is as wide."""
_PROSE: Final = ASCII | {ord("…"): "..."}
BROKEN_PIPE: Final = 141  # 128 and SIGPIPE's number: what a shell shows of others whose reader has left


class Outlet:
    """A text stream that takes everything: what it cannot spell is spelled in ASCII; and once it is
    broken, `failure` is why, and what is written goes nowhere.

    `on_failure` is called once, in the thread that was writing.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OSError | None = None
        self.on_failure: Callable[[], None] = lambda: None

    @property
    def encoding(self) -> str:
        """The stream's encoding; UTF-8 where there is none, as in memory."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """All of `text`, as well as the stream can."""
        if self.failure is None:
            try:
                self._stream.write(text if self.spells(text) else self._spelled(text))
            except OSError as error:
                self._fail(error)
        return len(text)

    def flush(self) -> None:
        """What was written is where it belongs now, or `failure` says why it is not."""
        if self.failure is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._fail(error)

    @property
    def code(self) -> int:
        """What a process ends with for it: 0 while all is well, else 1, or 141 where nobody reads."""
        if self.failure is None:
            return 0
        return BROKEN_PIPE if isinstance(self.failure, BrokenPipeError) else 1

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The stream's file descriptor; OSError where it has none."""
        return self._stream.fileno()

    def spells(self, text: str) -> bool:
        """Whether the stream has all the letters that `text` needs."""
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            return False
        return True

    def _spelled(self, text: str) -> str:
        return codecs.decode(text.translate(_PROSE).encode(self.encoding, "replace"), self.encoding)

    def _fail(self, error: OSError) -> None:
        self.failure = error
        # What its buffer still holds would fail again, with a traceback, when the interpreter ends.
        with suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        self.on_failure()
