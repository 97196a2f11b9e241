"""The tracker's HTTP face: Flask routes that parse, call the `Tracker` and encode, and nothing else.

Contracts: DESIGN's *tracker, JSON side* and *BitTorrent side*. Whatever goes wrong, the answer is JSON
with a `mensagem` that names the remedy, or, on `/announce` and `/scrape`, a BEP 3 *failure reason*.
What changes state wants `application/json`, which no form on a foreign web page can send (the door
that transmission's CVE-2018-5702 came through).
"""

import json
import logging
import re
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from minibit.address import ip_literal
from minibit.dialects import http_announce, json_fields
from minibit.dialects.json_replies import ConflictError, Listing, Refusal, Welcome, block_list, full_text
from minibit.dialects.json_requests import Goodbye, Heartbeat, ListingQuery, Registration
from minibit.dialects.refusal import RequestError
from minibit.serve.tracker import Tracker
from minibit.text import plain_text
from minibit.torrent import metainfo
from minibit.tracker.peer_manager import MAX_ACTIVE

MAX_REQUEST_BODY: Final = 2 * 1024 * 1024  # bytes; the bitfield of the largest share is 512 KiB of hex
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
    app.config["MAX_CONTENT_LENGTH"] = MAX_REQUEST_BODY
    count = tracker.metainfo.layout.block_count

    # A full listing repeats what hardly changes, so the text of a block list is kept, keyed by the blocks.
    kept = lru_cache(maxsize=min(MAX_ACTIVE, LISTED_CACHE // (8 * count) + 1))(block_list)

    @lru_cache(maxsize=2)
    def torrent(announce_url: str) -> bytes:
        return metainfo.encode(tracker.metainfo, announce_url)

    def answer(reply: Welcome | Listing, *, brief: bool) -> Response:
        if brief:
            return _json(reply.to_json())
        if sum((entry.blocks or 0).bit_count() for entry in reply.entries) > MAX_LISTED:
            raise RequestError("the full list is too long: ask with ?brief=1 for peers without their blocks")
        return Response(full_text(reply, kept), mimetype="application/json")

    @app.get("/")
    def index() -> Response:
        return Response(INDEX, mimetype="text/plain")

    @app.post("/registrar_peer")
    def register() -> Response:
        registration = Registration.from_json(_body(), count)
        return answer(tracker.register(registration, _remote()), brief=registration.bt_id is not None)

    @app.get("/listar_peers")
    def list_peers() -> Response:
        query = ListingQuery.from_query(request.args)
        carried = bool(request.content_length)
        heartbeat = Heartbeat.from_json(_body(), count) if carried else Heartbeat()
        return answer(tracker.list_peers(query, heartbeat, _remote()), brief=query.brief)

    @app.post("/desconectar_peer")
    def disconnect() -> Response:
        return _json(tracker.disconnect(Goodbye.from_json(_body()), _remote()).to_json())

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
    def announce() -> Response:
        try:
            asked, form = http_announce.decode_announce(request.query_string)
            reply = tracker.announce(asked, _remote())
        except RequestError as error:
            return _bencoded(http_announce.encode_failure(str(error)))
        return _bencoded(http_announce.encode_reply(reply, form))

    @app.get("/scrape")
    def scrape() -> Response:
        try:
            counts = tracker.scrape(http_announce.decode_scrape(request.query_string))
        except RequestError as error:
            return _bencoded(http_announce.encode_failure(str(error)))
        return _bencoded(http_announce.encode_counts(counts))

    @app.errorhandler(RequestError)
    def refused(error: RequestError) -> Response:
        peer = error.peer if isinstance(error, ConflictError) else None
        return _json(Refusal(str(error), peer).to_json(), error.status)

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
        said = REMEDIES.get(status) or f"{error.name}: see GET / for what this tracker answers"
        return _json(Refusal(said).to_json(), status)

    @app.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        _log.error("%s %s failed", request.method, plain_text(request.path, 80), exc_info=error)
        said = "the tracker failed to answer this: its log says why; please report it"
        return _json(Refusal(said).to_json(), 500)

    return app


REMEDIES: Final[dict[int, str]] = {
    404: "there is nothing here: GET / lists what this tracker answers",
    405: "this address takes another method: GET / lists which",
    413: f"the body is larger than {MAX_REQUEST_BODY >> 20} MiB: send `bitfield` instead of `blocks`",
}


def _body() -> object:
    """The decoded JSON body.

    Raises:
        RequestError: 415 for another content type, 400 for anything but JSON.
    """
    if request.mimetype != "application/json":
        raise RequestError("send JSON, with the header Content-Type: application/json", status=415)
    return json_fields.document(request.get_data(cache=False), max_parts=json_fields.MAX_PARTS_ASKED)


def _remote() -> str:
    """The address that the request's socket shows, as a canonical literal.

    Raises:
        RequestError: it shows none.
    """
    remote = ip_literal(request.remote_addr)
    if remote is None:
        raise RequestError("the tracker cannot see which address this request comes from")
    return remote


def _json(document: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(document), status, mimetype="application/json")


def _bencoded(body: bytes) -> Response:
    return Response(body, mimetype="text/plain")
