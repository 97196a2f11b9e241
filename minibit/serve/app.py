"""The tracker's HTTP face: Flask routes that parse, call the `Tracker` and encode, and nothing else.

Contracts: DESIGN's *tracker, JSON side* and *BitTorrent side*. Whatever goes wrong, the answer is JSON
with a `mensagem` that names the remedy, or, on `/announce` and `/scrape`, a BEP 3 *failure reason*.
What changes state wants `application/json`, which no form on a foreign web page can send (the door
that transmission's CVE-2018-5702 came through).
"""

import json
import logging
import re
from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from minibit import bitfield
from minibit.dialects import http_announce as announce
from minibit.dialects.http_announce import DEFAULT_NUMWANT, Announce
from minibit.dialects.json_calls import Heartbeat, PeerEntry, Registration, RequestError, goodbye_from_json
from minibit.text import plain_text
from minibit.torrent import metainfo
from minibit.tracker.peer_manager import MAX_PEERS
from minibit.tracker.swarm import Tracker

MAX_BODY: Final = 2 * 1024 * 1024  # the bitfield of the largest share is 512 KiB of hex
MAX_LISTED: Final = 16 * 1024 * 1024  # block numbers in one full listing: about 100 MB of JSON
LISTED_CACHE: Final = 64 * 1024 * 1024  # bytes of block lists kept as text

_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")

INDEX: Final = (
    "MiniBit tracker. GET /torrent is the .torrent that this tracker shares, GET /status the swarm as JSON. "
    "MiniBit peers use POST /registrar_peer, GET /listar_peers and POST /desconectar_peer; "
    "any BitTorrent client uses GET /announce and GET /scrape.\n"
)

_log = logging.getLogger(__name__)


def create_app(tracker: Tracker) -> Flask:
    """The WSGI application of `tracker`."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY

    # A full listing repeats what hardly changes, so the text of a block list is kept, keyed by the blocks.
    @lru_cache(maxsize=min(MAX_PEERS, LISTED_CACHE // (8 * tracker.block_count) + 1))
    def listed(blocks: int) -> str:
        return ",".join(map(str, bitfield.indices(blocks)))

    @lru_cache(maxsize=2)
    def torrent(announce_url: str) -> bytes:
        return metainfo.encode(tracker.metainfo, announce_url)

    def with_peers(document: dict[str, Any], entries: Sequence[PeerEntry], *, brief: bool) -> Response:
        """`document` and a last field `peers`, whose block lists are spliced in as text."""
        if brief:
            return _json(document | {"peers": [entry.to_json() for entry in entries]})
        if sum(entry.blocks.bit_count() for entry in entries) > MAX_LISTED:
            raise RequestError("the full list is too long: ask with ?brief=1 for peers without their blocks")
        peers = ",".join(
            f'{json.dumps(entry.to_json())[:-1]}, "blocks": [{listed(entry.blocks)}]}}' for entry in entries
        )
        return Response(f'{json.dumps(document)[:-1]}, "peers": [{peers}]}}', mimetype="application/json")

    @app.get("/")
    def index() -> Response:
        return Response(INDEX, mimetype="text/plain")

    @app.post("/registrar_peer")
    def register() -> Response:
        registration = Registration.from_json(_body(), tracker.block_count)
        welcome = tracker.register(registration, _remote())
        count = welcome.granted.bit_count()
        said = "is registered again" if welcome.returning else "is registered"
        return with_peers(
            {
                "status": "sucesso",
                "mensagem": f"{registration.name} {said}: {count} of {tracker.block_count} blocks granted",
                "blocos_iniciais": list(bitfield.indices(welcome.new)),
                "concedidos": list(bitfield.indices(welcome.granted)),
                "intervalo": welcome.interval,
            },
            welcome.entries,
            brief=registration.bt_id is not None,
        )

    @app.get("/listar_peers")
    def list_peers() -> Response:
        brief = request.args.get("brief") == "1"
        carried = bool(request.content_length)
        heartbeat = Heartbeat.from_json(_body(), tracker.block_count) if carried else Heartbeat()
        listing = tracker.list_peers(
            request.args.get("peer_id"), heartbeat, _remote(), numwant=_numwant(brief)
        )
        return with_peers(
            {"total": listing.total, "registrado": listing.registered, "intervalo": listing.interval},
            listing.entries,
            brief=brief,
        )

    @app.post("/desconectar_peer")
    def disconnect() -> Response:
        name, bt_id = goodbye_from_json(_body())
        tracker.disconnect(name, bt_id, _remote())
        return _json({"status": "sucesso", "mensagem": f"{plain_text(name)} is disconnected"})

    @app.get("/status")
    def status() -> Response:
        return _json(tracker.status().to_json())

    @app.get("/torrent")
    def get_torrent() -> Response:
        # The address that reached us will reach us again; it goes into a file, so its form is checked.
        host = request.headers.get("Host", "")
        if not _HOST.fullmatch(host):
            raise RequestError("the Host header must be the tracker's host:port")
        reply = Response(torrent(f"http://{host}/announce"), mimetype="application/x-bittorrent")
        reply.headers.set("Content-Disposition", "attachment", filename=f"{tracker.metainfo.name}.torrent")
        return reply

    @app.get("/announce")
    def get_announce() -> Response:
        try:
            asked = Announce.from_query(request.query_string)
            reply = tracker.announce(asked, _remote())
        except RequestError as error:
            return _bencoded(announce.failure(str(error)))
        return _bencoded(reply.encode(compact=asked.compact, no_peer_id=asked.no_peer_id))

    @app.get("/scrape")
    def get_scrape() -> Response:
        try:
            return _bencoded(
                announce.encode_scrape(tracker.scrape(announce.parse_scrape(request.query_string)))
            )
        except RequestError as error:
            return _bencoded(announce.failure(str(error)))

    @app.errorhandler(RequestError)
    def refused(error: RequestError) -> Response:
        extra = {} if error.peer is None else {"peer": error.peer.to_json()}
        return _error(error.status, str(error), **extra)

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
        return _error(
            status, REMEDIES.get(status) or f"{error.name}: see GET / for what this tracker answers"
        )

    @app.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        _log.error("%s %s failed", request.method, plain_text(request.path, 80), exc_info=error)
        return _error(500, "the tracker failed to answer this: its log says why; please report it")

    return app


REMEDIES: Final[dict[int, str]] = {
    404: "there is nothing here: GET / lists what this tracker answers",
    405: "this address takes another method: GET / lists which",
    413: f"the body is larger than {MAX_BODY // (1024 * 1024)} MiB: send `bitfield` instead of `blocks`",
}


def _body() -> object:
    """The decoded JSON body.

    Raises:
        RequestError: 415 for another content type, 400 for anything but JSON.
    """
    if request.mimetype != "application/json":
        raise RequestError("send JSON, with the header Content-Type: application/json", status=415)
    try:
        return json.loads(request.get_data(cache=False))
    except (ValueError, RecursionError):
        raise RequestError("the body is not valid JSON") from None


def _remote() -> str:
    return request.remote_addr or ""


def _numwant(brief: bool) -> int | None:
    text = request.args.get("numwant")
    if text is None:
        return DEFAULT_NUMWANT if brief else None
    if not re.fullmatch("[0-9]{1,6}", text):
        raise RequestError("numwant must be a whole number")
    return min(int(text), DEFAULT_NUMWANT) if brief else int(text)


def _json(document: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(document), status, mimetype="application/json")


def _error(status: int, message: str, **extra: object) -> Response:
    return _json({"status": "erro", "mensagem": message, **extra}, status)


def _bencoded(body: bytes) -> Response:
    return Response(body, mimetype="text/plain")
