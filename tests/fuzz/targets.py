"""What is fuzzed: every parser of what strangers send, its seeds, and what must hold of any input whatever.

A check passes, or raises: `AssertionError` where a promise is broken, and anything else that a parser lets
out besides its documented errors. What a parser lets in must survive its own encoder.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from zlib import crc32

from fuzz.mutation import NUMBERS
from msgspec.structs import replace

from minibit import bitfield
from minibit.address import PeerAddress
from minibit.dialects import http_announce, json_fields, krpc, lan
from minibit.dialects.announce import Announce, AnnounceReply, Counts, Event
from minibit.dialects.http_announce import Form
from minibit.dialects.json_fields import MAX_PARTS_ANSWERED, MAX_PARTS_ASKED
from minibit.dialects.json_replies import Farewell, Listing, PeerEntry, Refusal, Welcome
from minibit.dialects.json_requests import Goodbye, Heartbeat, ListingQuery, Registration
from minibit.dialects.lan import Search
from minibit.dialects.refusal import ReplyError, RequestError
from minibit.errors import BencodeError, MagnetError, MetainfoError, MinibitError, RemoteProtocolError
from minibit.snapshot import Figures, State, SwarmRow, SwarmStatus
from minibit.text import MAX_LINE, MAX_NAME, name_fault, one_line, plain_text
from minibit.torrent import bencode, magnet, torrent_file
from minibit.torrent.layout import Layout
from minibit.wire import messages as m
from minibit.wire import metadata, pex
from minibit.wire.connection import Connection
from minibit.wire.extended import ExtendedHandshake

COUNT = 10
LAYOUT = Layout(9 * 32768 + 20000, 32768)  # ten blocks, the last of 20,000 bytes
ID = bytes(range(20))
WORDS_OF_BENCODE = (
    b"i",
    b"e",
    b"l",
    b"d",
    b"le",
    b"de",
    b"0:",
    b"1:a",
    b"i0e",
    b"i-1e",
    b"4294967296:",
    b"d1:a",
)
WORDS_OF_JSON = (
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b'"',
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"\\ud800",
    b"\\u0000",
)


@dataclass(frozen=True)
class Target:
    """`check` is given anything; `seeds` are what it accepts; `words` are what mutations insert."""

    check: Callable[[bytes], None]
    seeds: Sequence[bytes]
    words: Sequence[bytes]


def refused(error: Exception) -> None:
    """A refusal is short, however much it repeats of what it refuses."""
    assert len(str(error)) <= 1500, "a refusal too long to read"


# --- what neighbours and machines nearby say beside the share


def check_metadata(data: bytes) -> None:
    try:
        message = metadata.decode(data)
    except RemoteProtocolError as error:
        refused(error)
        return
    assert message is None or metadata.decode(message.encode()) == message


def check_pex(data: bytes) -> None:
    try:
        message = pex.decode(data)
    except RemoteProtocolError as error:
        refused(error)
        return
    assert len(message.added) <= 2 * pex.MAX_ADDED
    assert set(pex.decode(message.encode()).added) == set(message.added)


def check_lan(data: bytes) -> None:
    said = lan.decode(data)
    if said is not None:
        assert 0 < said.port <= 65535
        assert len(said.info_hashes) <= lan.MAX_HASHES


def check_krpc(data: bytes) -> None:
    said = krpc.decode(data)
    if isinstance(said, krpc.Answer):
        four = [peer for peer in said.peers if ":" not in peer.ip]
        again = krpc.decode(replace(said, peers=tuple(four)).encode())
        assert again == replace(said, peers=tuple(four))


ANSWERS = [
    krpc.Answer(
        b"aa",
        ID,
        b"token",
        (krpc.Contact(ID, ("192.0.2.1", 6881)),),
        (PeerAddress("", "192.0.2.2", 5001), PeerAddress("", "192.0.2.3", 5002)),
    ).encode(),
    b"d1:eli203e5:sorrye1:t2:aa1:y1:ee",
]
METADATA = [
    metadata.Request(3).encode(),
    metadata.Data(0, 5, b"bytes").encode(),
    metadata.Reject(1 << 30).encode(),
]
PEX = [
    pex.Exchange(
        ((PeerAddress("", "192.0.2.1", 5001), 2), (PeerAddress("", "2001:db8::1", 5001), 16)),
        (PeerAddress("", "192.0.2.2", 5001),),
    ).encode()
]


# --- bencode and metainfo


def check_bencode(data: bytes) -> None:
    try:
        value = bencode.decode(data)
    except BencodeError as error:
        refused(error)
        return
    assert bencode.encode(value) == data


def check_metainfo(data: bytes) -> None:
    try:
        torrent = torrent_file.parse(data)
    except MetainfoError as error:
        refused(error)
        return
    found = torrent.metainfo
    end = 0
    for entry in found.files:  # with padding between them
        assert entry.offset >= end
        end = entry.offset + entry.length
    assert end <= found.layout.total_size
    assert len(found.digests) == 20 * found.layout.block_count
    for entry in found.files:
        assert not {"", ".", ".."} & set(entry.path)
        assert not set("/\\\0") & set("".join(entry.path))
    assert torrent_file.parse(torrent_file.encode(torrent)) == torrent


def check_magnet(data: bytes) -> None:
    try:
        link = magnet.parse(data.decode("utf-8", "surrogateescape"))
    except MagnetError as error:
        refused(error)
        return
    assert len(link.info_hash) == 20
    assert link.name.isprintable()
    assert magnet.parse(str(link)) == link


FILES = [(("a",), 40000), (("b", "c é"), 0), (("d",), 10)]
ATTRIBUTES = [
    {"length": 100, "path": ["a"], "attr": "x"},
    {"length": 16284, "path": [".pad", "16284"], "attr": "p"},
    {"path": ["link"], "attr": "l", "symlink path": ["a"]},
    {"length": 5, "path": ["b"]},
]
INFOS = (
    {"name": "film.bin", "piece length": 16384, "pieces": bytes(60), "length": 40000},
    {"name": "s", "piece length": 16384, "pieces": bytes(60)}
    | {"files": [{"length": length, "path": list(path)} for path, length in FILES]},
    {"name": "s", "piece length": 16384, "pieces": bytes(40), "private": 1, "files": ATTRIBUTES},
)
ADVICE = {
    "announce": "http://192.0.2.1:5000/announce",
    "announce-list": [["udp://t.example:6969", "https://t.example/announce"], ["http://[2001:db8::1]/a"]],
    "url-list": ["http://192.0.2.1/files/"],
    "comment": "olá",
    "created by": "somebody",
    "creation date": 1_700_000_000,
}
TORRENTS = [bencode.encode({**ADVICE, "info": info}) for info in INFOS]
MAGNETS = [
    f"magnet:?xt=urn:btih:{ID.hex()}&dn=ol%C3%A1&tr=udp%3A%2F%2Ft.example%3A1&x.pe=192.0.2.1:5001&so=0-4".encode(),
    b"magnet:?xt=urn:btih:"
    + b"A234567B" * 4
    + b"&tr.1=http://t.example/a&tr=http://t.example/b&x.pe=[2001:db8::1]:9",
]
VALUES = [
    bencode.encode(value) for value in (0, -7, b"", [], {}, [1, [b"x", {"k": [2]}]], 2**70, {"a": {"b": 1}})
]


# --- the wire


def told(found: Sequence[m.Handshake | m.Message]) -> list[object]:
    """Messages as values that outlive their buffer."""
    return [m.Piece(x.index, x.begin, bytes(x.data)) if isinstance(x, m.Piece) else x for x in found]


def check_connection(data: bytes) -> None:
    """However a stream is cut, the same is heard, and what is heard is what was sent."""
    whole, error = heard(data, len(data))
    cut, error_cut = heard(data, 1 + crc32(data) % 97)
    assert (cut, error_cut) == (whole, error)
    at = 0
    for message in whole:
        if isinstance(message, m.Unknown):
            at += 5 + message.length
        else:
            assert isinstance(message, m.Handshake | m.Message)
            sent = message.encode()
            # Reserved bits of other extensions are not repeated.
            assert isinstance(message, m.Handshake) or data[at : at + len(sent)] == sent
            at += len(sent)


def heard(data: bytes, step: int) -> tuple[list[object], str]:
    """What a connection takes from a stream that comes `step` bytes at a time, and why it ends."""
    connection, waiting = Connection(LAYOUT), bytearray()
    found: list[object] = []
    for start in range(0, len(data), max(1, step)):
        waiting += data[start : start + step]
        try:
            some, used = connection.receive(memoryview(bytes(waiting)))
        except RemoteProtocolError as error:
            refused(error)
            # What came before it in the same read is not told: compare what both have seen in full.
            return [], "ended"
        found += told(some)
        del waiting[:used]
        assert len(waiting) < max(connection.frame_limit + 4, m.HANDSHAKE_LENGTH)
    return found, ""


def check_message(data: bytes) -> None:
    if not data:
        return
    try:
        message = m.decode(data[0], memoryview(data)[1:])
    except RemoteProtocolError as error:
        refused(error)
        return
    if not isinstance(message, m.Unknown):
        assert message.encode()[4:] == data


def check_extended(data: bytes) -> None:
    try:
        found = ExtendedHandshake.decode(data)
    except RemoteProtocolError as error:
        refused(error)
        return
    assert ExtendedHandshake.decode(found.encode()) == found


BOTH = (True, False)
HANDSHAKES = [m.Handshake(b"h" * 20, b"p" * 20, fast, extended) for fast in BOTH for extended in BOTH]
MESSAGES: list[m.Message] = [
    *(m.KeepAlive(), m.Choke(), m.Unchoke(), m.Interested(), m.NotInterested(), m.Haves.of(9)),
    *(m.Request(0, 0, 16384), m.Piece(0, 0, b"data"), m.Cancel(0, 0, 16384), m.Port(6881)),
    *(m.SuggestPiece(0), m.RejectRequest(9, 0, 16384), m.AllowedFast(0), m.Extended(0, b"d1:md1:ai1eee")),
]
FIRST: list[m.Message] = [m.Bitfield(bitfield.to_wire(0b1011, COUNT)), m.HaveAll(), m.HaveNone()]
STREAMS = [
    handshake.encode() + first.encode() + b"".join(message.encode() for message in MESSAGES[skip:])
    for skip, handshake in enumerate(HANDSHAKES)
    for first in FIRST
]
FRAMES = [message.encode() for message in (*MESSAGES, *FIRST)]
EXTENDED = [
    ExtendedHandshake({"ut_metadata": 3, "ut_pex": 1}, "MiniBit 1.0", 5001, 250, "ana").encode(),
    bencode.encode({"m": {}, "p": 6881, "v": "qB", "yourip": b"\x7f\0\0\1", "metadata_size": 31235}),
]

# --- announces


def check_announce(data: bytes) -> None:
    try:
        announce, form = http_announce.decode_announce(data)
    except RequestError as error:
        refused(error)
        return
    assert http_announce.decode_announce(http_announce.encode_announce(announce, form)) == (announce, form)


def check_scrape(data: bytes) -> None:
    try:
        hashes = http_announce.decode_scrape(data)
    except RequestError as error:
        refused(error)
        return
    assert http_announce.decode_scrape(http_announce.encode_scrape(hashes)) == hashes


def check_announce_reply(data: bytes) -> None:
    try:
        reply = http_announce.decode_reply(data)
    except ReplyError as error:
        refused(error)
        return
    assert http_announce.decode_reply(http_announce.encode_reply(reply, Form(compact=False))) == reply


def check_counts(data: bytes) -> None:
    try:
        counts = http_announce.decode_counts(data)
    except ReplyError as error:
        refused(error)
        return
    assert http_announce.decode_counts(http_announce.encode_counts(counts)) == counts


ANNOUNCE = Announce(ID, b"-MB0100-abcdefghijkl", 6881, 1, 2, 3, Event.STARTED, 50, "192.0.2.7")
FOREIGN = b"info_hash=%00%01aaaaaaaaaaaaaaaaaa&peer_id=-qB4500-abcdefghijkl&port=1&left=0&key=9F"
PEERS = (PeerAddress("", "192.0.2.1", 6881, ID), PeerAddress("", "2001:db8::1", 6882))
REPLY = AnnounceReply(1800, 3, 4, PEERS)
FORMS = [Form(compact, no_id) for compact in BOTH for no_id in BOTH]
ANNOUNCED = [http_announce.encode_reply(REPLY, form) for form in FORMS]
COUNTS = http_announce.encode_counts({ID: Counts(1, 2, 3), bytes(20): Counts(0, 0, 0)})
FAILURE = http_announce.encode_failure("no such share")

# --- JSON


def check_json_request(data: bytes) -> None:
    try:
        body = json_fields.document(data, max_parts=MAX_PARTS_ASKED)
    except RequestError as error:
        refused(error)
        return
    try:
        registration = Registration.from_json(body, COUNT)
        assert Registration.from_json(crossed(registration.to_json(COUNT)), COUNT) == registration
    except RequestError as error:
        refused(error)
    try:
        heartbeat = Heartbeat.from_json(body, COUNT)
        assert Heartbeat.from_json(crossed(heartbeat.to_json(COUNT)), COUNT) == heartbeat
    except RequestError as error:
        refused(error)
    try:
        goodbye = Goodbye.from_json(body)
        assert Goodbye.from_json(crossed(goodbye.to_json())) == goodbye
    except RequestError as error:
        refused(error)


def check_listing_query(data: bytes) -> None:
    pairs = (pair.partition("=") for pair in data.decode("latin-1").split("&"))
    try:
        query = ListingQuery.from_query({name: value for name, _, value in pairs})
    except RequestError as error:
        refused(error)
        return
    assert ListingQuery.from_query(query.to_query()) == query


def check_json_reply(data: bytes) -> None:
    try:
        body = json_fields.document(data, max_parts=MAX_PARTS_ANSWERED)
    except ValueError as error:
        refused(error)
        return
    try:
        welcome = Welcome.from_json(body, COUNT)
        assert Welcome.from_json(crossed(welcome.to_json()), COUNT) == welcome
    except ValueError as error:
        refused(error)
    try:
        listing = Listing.from_json(body)
        assert Listing.from_json(crossed(listing.to_json())) == listing
    except ValueError as error:
        refused(error)
    for kind in (Farewell, Refusal):
        try:
            said = kind.from_json(body)
            assert kind.from_json(crossed(said.to_json())) == said
        except ValueError as error:
            refused(error)


def check_status(data: bytes) -> None:
    try:
        body = json_fields.document(data, max_parts=MAX_PARTS_ANSWERED)
        status = SwarmStatus.from_json(body)
    except (ValueError, MinibitError) as error:
        refused(error)
        return
    assert SwarmStatus.from_json(crossed(status.to_json())) == status


def crossed(document: object) -> object:
    return json.loads(json.dumps(document))


def text_of(document: object) -> bytes:
    return json.dumps(document).encode()


FIGURES = Figures(State.DOWNLOADING, 1.5, 2.5, 10, 20, 5, 3, 1, 0, 0, 12.5, ("bia", "caio"), "duda")
ENTRY = PeerEntry(PeerAddress("bia", "192.0.2.1", 5001, ID), 1.5)
REQUESTS = [
    text_of(Registration("ana", 5001, "192.0.2.7", 0b1011, ID, True).to_json(COUNT)),
    text_of({"peer_id": "ana", "porta": 5001, "blocks": [0, 3, 9]}),
    text_of(Heartbeat(ID, 0b1011, FIGURES).to_json(COUNT)),
    text_of(Goodbye("ana", ID).to_json()),
]
REPLIES = [
    text_of(Welcome("olá", 0b1011, 0b1001, (ENTRY, ENTRY), 10.0).to_json()),
    text_of(Listing(True, 3, (ENTRY,), 2.5).to_json()),
    text_of(Farewell("até logo").to_json()),
    text_of(Refusal("name taken", ENTRY).to_json()),
]
ROW = SwarmRow("ana", "192.0.2.7", 5001, 1.5, 0b1011, 4, False, FIGURES)
STATUS = [text_of(SwarmStatus("film.bin", 300000, 32768, COUNT, ID.hex(), 9.5, 1, (ROW, ROW)).to_json())]

# --- text


def check_text(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    assert plain_text(text).isprintable()
    line = one_line(text)
    assert line.isprintable()
    assert len(line) <= MAX_LINE
    fault = name_fault(text)
    if fault is None:
        assert plain_text(text) == text
        assert 0 < len(text) <= MAX_NAME
        assert "/" not in text
    else:
        assert fault.isprintable()
        assert len(fault) < 200


NAMES = [
    name.encode() for name in ("ana", "José", "origin", "orıgin", "名前-1", "a" * 32, "🎉 party", "हिन्दी")
]

BENCODED = WORDS_OF_BENCODE + NUMBERS
JSON = WORDS_OF_JSON + NUMBERS
QUERY = (b"&", b"=", b"%", b"%00", b"%ff", b"+", b"info_hash=", b"port=", b"numwant=", *NUMBERS)
TARGETS: dict[str, Target] = {
    "bencode": Target(check_bencode, [*VALUES, *TORRENTS, *EXTENDED], BENCODED),
    "metainfo": Target(check_metainfo, TORRENTS, (*BENCODED, b"..", b"/", b"4:path", b"\xff", b"5:files")),
    "magnet": Target(
        check_magnet,
        MAGNETS,
        (b"&", b"=", b"%", b"xt=urn:btih:", b"tr=", b"dn=", b"x.pe=", b"magnet:?", *NUMBERS),
    ),
    "connection": Target(check_connection, STREAMS, (*FRAMES, *NUMBERS)),
    "messages": Target(check_message, [frame[4:] for frame in FRAMES if len(frame) > 4], NUMBERS),
    "extended": Target(check_extended, EXTENDED, (*BENCODED, b"1:m", b"1:p", b"4:reqq", b"7:minibit")),
    "metadata": Target(check_metadata, METADATA, (*BENCODED, b"8:msg_type", b"5:piece", b"10:total_size")),
    "pex": Target(check_pex, PEX, (*BENCODED, b"5:added", b"6:added6", b"7:added.f", b"7:dropped")),
    "krpc": Target(check_krpc, ANSWERS, (*BENCODED, b"1:r", b"2:id20:", b"5:nodes", b"6:valuesl6:")),
    "lan": Target(
        check_lan,
        [Search(6881, (ID, bytes(20)), "c00k1e").encode(4), Search(1, (ID,)).encode(6)],
        (b"\r\n", b": ", b"Port: ", b"Infohash: ", b"cookie: ", *NUMBERS),
    ),
    "announce": Target(
        check_announce, [FOREIGN, *(http_announce.encode_announce(ANNOUNCE, form) for form in FORMS)], QUERY
    ),
    "announce-reply": Target(
        check_announce_reply,
        [FAILURE, *(http_announce.encode_reply(REPLY, form) for form in FORMS)],
        BENCODED,
    ),
    "scrape": Target(check_scrape, [http_announce.encode_scrape([ID, bytes(20)])], QUERY),
    "scrape-reply": Target(check_counts, [COUNTS, FAILURE], BENCODED),
    "json-request": Target(check_json_request, REQUESTS, JSON),
    "json-query": Target(check_listing_query, [b"peer_id=ana&brief=1&numwant=30", b"numwant=5"], QUERY),
    "json-reply": Target(check_json_reply, REPLIES, JSON),
    "json-status": Target(check_status, STATUS, JSON),
    "text": Target(check_text, NAMES, ("\u202e".encode(), b"\x1b[2J", b"\n", "о".encode(), b"/", b".")),
}
