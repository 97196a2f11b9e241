"""The extended handshake (BEP 10): which extensions a side speaks, and who it is.

MiniBit adds one key of its own, `minibit`, a dictionary; foreign clients ignore it. `name` is the name that
people gave the peer, so that a table can say "bia" where the wire only knows 20 bytes. `span` is how many
chunks in a row one message may be about that is sent to this side: a *request*, *piece*, *cancel* or *reject*
of several chunks says what as many messages of one chunk each would say, and may be answered in parts. Each
message costs either end some microseconds of Python.
"""

from typing import Any, Final

from msgspec import Struct, field

from minibit.errors import BencodeError, RemoteProtocolError
from minibit.text import plain_text
from minibit.torrent import bencode, lenient
from minibit.torrent.layout import CHUNK_SIZE
from minibit.wire.messages import MAX_REQUEST

MAX_BODY: Final = 16 * 1024
MAX_REQQ: Final = 100_000
MAX_SPAN: Final = MAX_REQUEST // CHUNK_SIZE  # chunks that one message may be about


class ExtendedHandshake(Struct, frozen=True):
    """What a side says of itself; every part is optional.

    `extensions` maps an extension's name to the id to use when sending it to this side, 0 when it is to be
    sent no more; `queue` is how many requests this side accepts at once (`reqq`); `metadata_size` how many
    bytes of metadata it has (BEP 9), however absurd; `name` is a MiniBit peer's name, or None; `span` is how
    many chunks one message to this side may be about.
    """

    extensions: dict[str, int] = field(default_factory=dict)
    client: str = ""
    port: int | None = None
    queue: int | None = None
    name: str | None = None
    metadata_size: int | None = None
    span: int = 1

    def encode(self) -> bytes:
        body: dict[str, Any] = {"m": self.extensions, "v": self.client}
        if self.port is not None:
            body["p"] = self.port
        if self.queue is not None:
            body["reqq"] = self.queue
        if self.metadata_size is not None:
            body["metadata_size"] = self.metadata_size
        if self.name is not None:
            body["minibit"] = {"name": self.name, "span": self.span}
        return bencode.encode(body)

    @classmethod
    def decode(cls, body: bytes) -> "ExtendedHandshake":
        """The handshake in `body`; keys of a wrong type are passed over, as BEP 10 asks for unknown ones, and
        what stands behind it is too.

        Raises:
            RemoteProtocolError: not a bencoded dictionary, or larger than `MAX_BODY`.
        """
        if len(body) > MAX_BODY:
            raise RemoteProtocolError(f"extended handshake of {len(body)} bytes")
        try:
            fields, _ = lenient.decode(body)
        except BencodeError as error:
            raise RemoteProtocolError(f"extended handshake: {error}") from None
        if not isinstance(fields, dict):
            raise RemoteProtocolError("extended handshake is not a dictionary")
        offered = fields.get(b"m")
        extensions = {
            plain_text(name): number
            for name, number in (offered.items() if isinstance(offered, dict) else ())
            if isinstance(number, int) and 0 <= number < 256
        }
        own, size = fields.get(b"minibit"), fields.get(b"metadata_size")
        own = own if isinstance(own, dict) else {}
        name, span = plain_text(own.get(b"name")), own.get(b"span")
        return cls(
            extensions=extensions,
            client=plain_text(fields.get(b"v")),
            port=_bounded(fields.get(b"p"), 65535),
            queue=_bounded(fields.get(b"reqq"), MAX_REQQ),
            metadata_size=size if isinstance(size, int) and size > 0 else None,
            name=name or None,
            span=min(span, MAX_SPAN) if isinstance(span, int) and span > 0 else 1,
        )


def _bounded(value: object, limit: int) -> int | None:
    return value if isinstance(value, int) and 0 < value <= limit else None
