"""The tracker's HTTP face for MiniBit's own peers: Flask routes that parse, call the `Tracker` and encode.

Contract: DESIGN's *tracker, JSON side*. Whatever goes wrong, the answer is JSON with a `mensagem` that names
the remedy. Long answers are taken from a budget before they are made, and given back once they are sent.
What changes state wants `application/json`, which no form on a foreign web page can send (the door
that transmission's CVE-2018-5702 came through).
"""

import json
import logging
from collections.abc import Callable
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any, Final

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from minibit import __version__
from minibit.address import ip_literal
from minibit.dialects import json_fields
from minibit.dialects.json_replies import ConflictError, Listing, Refusal, Welcome, block_list, full_text
from minibit.dialects.json_requests import Goodbye, Heartbeat, ListingQuery, Registration
from minibit.dialects.refusal import RequestError
from minibit.serve.budget import FREE, Budget
from minibit.serve.exchange import MAX_BODY, REMEDIES
from minibit.serve.tracker import Tracker
from minibit.serve.visitors import host_name
from minibit.text import plain_text
from minibit.torrent import torrent_file
from minibit.torrent.magnet import Magnet
from minibit.torrent.metainfo import Metainfo
from minibit.torrent.torrent_file import TorrentFile
from minibit.torrent.web_paths import ROOT
from minibit.tracker.peer_manager import MAX_ACTIVE

MAX_LISTED: Final = 16 * 1024 * 1024  # block numbers in one full listing: about 100 MB of JSON
ENTRY: Final = 250  # bytes of a peer in a list, roughly, without its blocks
ROW: Final = 1000  # bytes of a peer in a status, roughly, without its blocks
LISTED_CACHE: Final = 64 * 1024 * 1024  # bytes of block lists kept as text

INDEX: Final = (
    "MiniBit tracker. GET /torrent is the .torrent that this tracker shares, GET /magnet a link to the same, "
    "GET /status the swarm as JSON. If it is a web seed too, GET /share/NAME is a file of the share. "
    "MiniBit peers use POST /registrar_peer, GET /listar_peers and POST /desconectar_peer; "
    "any BitTorrent client uses GET /announce and GET /scrape.\n"
)

_log = logging.getLogger(__name__)


def create_app(
    tracker: Tracker, budget: Budget, *, udp_port: int | None = None, web_seed: bool = False
) -> Flask:
    """The WSGI application of `tracker`, which answers on `udp_port` too, and as a web seed if it is one;
    `budget` holds its long answers."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    count = tracker.metainfo.layout.block_count
    number = len(str(count)) + 2  # bytes of a block's number in a list

    # A full listing repeats what hardly changes, so the text of a block list is kept, keyed by the blocks.
    kept = lru_cache(maxsize=min(MAX_ACTIVE, LISTED_CACHE // (8 * count) + 1))(block_list)

    @lru_cache(maxsize=2)
    def torrent(host: str) -> bytes:
        tiers = tuple((url,) for url in announce_urls(host, udp_port))
        seeds = (f"http://{host}{ROOT}",) if web_seed else ()
        made_by = f"MiniBit {__version__}"
        return torrent_file.encode(TorrentFile(tracker.metainfo, tiers, seeds, created_by=made_by))

    def held(size: int, make: Callable[[], Response]) -> Response:
        """What `make` answers, of about `size` bytes; the budget has them back when it is sent."""
        if size <= FREE:
            return make()
        if not budget.take(size):
            raise RequestError(
                "the tracker is busy with other long answers: try again in a moment, "
                "or ask with ?brief=1 for peers without their blocks",
                status=503,
            )
        try:
            reply = make()
        except BaseException:
            budget.give(size)
            raise
        reply.call_on_close(partial(budget.give, size))
        return reply

    def answer(reply: Welcome | Listing, *, brief: bool) -> Response:
        granted = (reply.granted | reply.new).bit_count() if isinstance(reply, Welcome) else 0
        size = ENTRY * len(reply.entries) + 2 * number * granted
        if brief:
            return held(size, lambda: _json(reply.to_json()))
        listed = sum((entry.blocks or 0).bit_count() for entry in reply.entries)
        if listed > MAX_LISTED:
            raise RequestError("the full list is too long: ask with ?brief=1 for peers without their blocks")
        return held(
            size + number * listed,
            lambda: Response(full_text(reply, kept), mimetype="application/json"),
        )

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
        seen = tracker.status()
        return held(len(seen.rows) * (ROW + count // 4), lambda: _json(seen.to_json()))

    @app.get("/torrent")
    def get_torrent() -> Response:
        reply = Response(torrent(_host()), mimetype="application/x-bittorrent")
        reply.headers.set("Content-Disposition", "attachment", filename=f"{tracker.metainfo.name}.torrent")
        return reply

    @app.get("/magnet")
    def get_magnet() -> Response:
        return Response(f"{magnet(tracker.metainfo, _host(), udp_port)}\n", mimetype="text/plain")

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


def announce_urls(host: str, udp_port: int | None) -> tuple[str, ...]:
    """Where the tracker that is reached at `host`, with its port, hears announces."""
    # Asked through another port, we may stand behind something that passes TCP on alone.
    both = udp_port is not None and host.endswith(f":{udp_port}")
    return (f"http://{host}/announce", *([f"udp://{host}/announce"] if both else []))


def magnet(share: Metainfo, host: str, udp_port: int | None) -> Magnet:
    """The magnet link to this share, whose tracker is reached at `host`, with its port."""
    return Magnet(share.info_hash, share.name, announce_urls(host, udp_port))


def _host() -> str:
    """The address that reached us, which will reach us again; it is passed on, so its form is checked.

    Raises:
        RequestError: it is none.
    """
    host = request.headers.get("Host", "")
    if host_name(host) is None:
        raise RequestError("the Host header must be the tracker's host:port")
    return host


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
