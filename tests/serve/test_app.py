"""The tracker over HTTP, rule by rule of the contract, with Flask's own test client."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from minibit import bitfield
from minibit.dialects.json_requests import Registration
from minibit.serve import app as tracker_app
from minibit.serve import wsgi
from minibit.serve.app import create_app
from minibit.serve.budget import FREE, Budget
from minibit.serve.exchange import MAX_BODY, Request
from minibit.serve.tracker import Tracker
from minibit.snapshot import Figures, SwarmStatus
from minibit.torrent import bencode, magnet, metainfo

COUNT = 20
SHARE = metainfo.build("aula é.bin", [((), COUNT * 16384)], 16384, bytes(20 * COUNT), folder=False)
ID = bytes(range(20))


@pytest.fixture
def tracker() -> Tracker:
    own_address = {"192.168.1.4": "192.0.2.1"}.get
    return Tracker(SHARE, rng=Random(7), clock=lambda: 1000.0, unix=lambda: 1000.0, own_address=own_address)


@pytest.fixture
def client(tracker: Tracker) -> Iterator[FlaskClient]:
    with create_app(tracker, Budget()).test_client() as client:
        yield client


def post(client: FlaskClient, path: str, **body: object) -> TestResponse:
    return client.post(path, json=body)


def register(client: FlaskClient, name: str, port: int = 5001, **more: object) -> Any:
    reply = post(client, "/registrar_peer", peer_id=name, porta=port, **more)
    assert reply.status_code == 200
    return reply.json


def refused(reply: TestResponse, status: int) -> str:
    """The `mensagem` of an error in the contract's form."""
    assert reply.status_code == status
    assert reply.mimetype == "application/json"
    document = reply.json
    assert document is not None
    assert document["status"] == "erro"
    message = document["mensagem"]
    assert isinstance(message, str)
    assert message
    return message


# The contract, as existing MiniBit peers use it


def test_registrar_peer_grants_blocks_and_names_the_others(client: FlaskClient) -> None:
    register(client, "bia", 5002, blocks=[1, 2])
    reply = register(client, "ana", ip="127.0.0.1", blocks=[])
    assert reply["status"] == "sucesso"
    assert "ana" in reply["mensagem"]
    assert 6 <= len(reply["blocos_iniciais"]) <= 10
    assert reply["concedidos"] == reply["blocos_iniciais"] == sorted(set(reply["blocos_iniciais"]))
    assert reply["intervalo"] == 1.0
    (peer,) = reply["peers"]
    assert peer | {"bt_id": 0, "origin": 0} == {
        "peer_id": "bia",
        "ip": "127.0.0.1",
        "porta": 5002,
        "timestamp": 1000.0,
        "blocks": [1, 2],
        "bt_id": 0,
        "origin": 0,
    }
    again = register(client, "ana")
    assert again["blocos_iniciais"] == []
    assert again["concedidos"] == reply["concedidos"]


def test_listar_peers_names_everyone_but_the_asker(client: FlaskClient) -> None:
    register(client, "ana", blocks=[0])
    register(client, "bia", 5002)
    reply = client.get("/listar_peers?peer_id=bia", json={"blocks": [3, 19]}).json
    assert reply is not None
    assert (reply["total"], reply["registrado"]) == (1, True)
    assert [(peer["peer_id"], peer["blocks"]) for peer in reply["peers"]] == [("ana", [0])]
    everyone = client.get("/listar_peers").json
    assert everyone is not None
    assert {peer["peer_id"]: peer["blocks"] for peer in everyone["peers"]} == {"ana": [0], "bia": [3, 19]}
    assert (everyone["total"], everyone["registrado"]) == (2, False)


def test_a_full_list_is_never_cut(client: FlaskClient) -> None:
    for number in range(120):
        register(client, f"p{number}", 5000 + number, blocks=[number % COUNT])
    reply = client.get("/listar_peers?peer_id=p0").json
    assert reply is not None
    assert len(reply["peers"]) == reply["total"] == 119
    numbered = client.get("/listar_peers?numwant=7").json
    assert numbered is not None
    assert (len(numbered["peers"]), numbered["total"]) == (7, 120)


def test_a_full_list_beyond_all_measure_is_refused(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(client, "ana", blocks=[0, 1, 2])
    monkeypatch.setattr(tracker_app, "MAX_LISTED", 2)
    assert "brief=1" in refused(client.get("/listar_peers"), 400)
    assert client.get("/listar_peers?brief=1").status_code == 200


def test_status_shows_the_whole_swarm(client: FlaskClient) -> None:
    register(client, "ana", blocks=[0])
    reply = client.get("/status").json
    assert reply is not None
    assert (reply["status"], reply["peers_ativos"], reply["total_blocos"]) == ("ativo", 1, COUNT)
    view = SwarmStatus.from_json(reply)
    assert (view.share, view.info_hash, view.rows[0].blocks) == ("aula é.bin", SHARE.info_hash.hex(), 1)


def test_desconectar_peer_ends_a_membership_once(client: FlaskClient) -> None:
    register(client, "ana")
    reply = post(client, "/desconectar_peer", peer_id="ana")
    assert reply.json == {"status": "sucesso", "mensagem": "ana is disconnected"}
    refused(post(client, "/desconectar_peer", peer_id="ana"), 404)
    refused(post(client, "/desconectar_peer"), 400)


# What our own peers add


def test_our_peers_speak_briefly(client: FlaskClient) -> None:
    register(client, "bia", 5002, bt_id="ab" * 20, bitfield="c00000")
    reply = register(client, "ana", bt_id=ID.hex())
    assert reply["peers"] == [
        {
            "peer_id": "bia",
            "ip": "127.0.0.1",
            "porta": 5002,
            "timestamp": 1000.0,
            "bt_id": "ab" * 20,
            "origin": False,
        }
    ]
    body = {"bt_id": ID.hex(), "bitfield": "000010", "figures": Figures(uploaded=9).to_json()}
    beat = client.get("/listar_peers?peer_id=ana&brief=1", json=body).json
    assert beat == {"total": 1, "registrado": True, "intervalo": 1.0, "peers": reply["peers"]}
    status = client.get("/status").json
    assert status is not None
    ana, bia = status["peers"]
    assert (ana["bitfield"], ana["uploaded"], bia["bitfield"]) == ("000010", 9, "c00000")


def test_a_brief_list_has_at_most_fifty_peers(client: FlaskClient) -> None:
    for number in range(70):
        register(client, f"p{number}")
    for query in ("brief=1", "brief=1&numwant=500"):
        reply = client.get(f"/listar_peers?{query}").json
        assert reply is not None
        assert (len(reply["peers"]), reply["total"]) == (50, 70)


def test_a_taken_name_names_who_has_it(client: FlaskClient) -> None:
    register(client, "ana", 5001, bt_id="ab" * 20)
    reply = post(client, "/registrar_peer", peer_id="ana", porta=5002, bt_id=ID.hex())
    assert "127.0.0.1:5001" in refused(reply, 409)
    assert reply.json is not None
    assert (reply.json["peer"]["ip"], reply.json["peer"]["porta"]) == ("127.0.0.1", 5001)
    register(client, "ana", 5002, bt_id=ID.hex(), substituir=True)


def test_a_claimed_address_counts_from_nearby_only(client: FlaskClient) -> None:
    for remote, ip in (("192.168.1.4", "10.1.1.1"), ("203.0.113.9", "10.1.1.1"), ("8.8.8.8", "8.8.8.8")):
        body = {"peer_id": remote, "porta": 5001, "ip": "10.1.1.1"}
        client.post("/registrar_peer", json=body, environ_base={"REMOTE_ADDR": remote})
        listing = client.get("/listar_peers", headers={"X-Forwarded-For": "1.2.3.4"}).json
        assert listing is not None
        assert listing["peers"][-1]["ip"] == ip


@pytest.mark.parametrize("remote", ["", "unix", "a.host.name"])
def test_an_invisible_remote_is_refused(client: FlaskClient, remote: str) -> None:
    body, invisible = {"peer_id": "ana", "porta": 5001}, {"REMOTE_ADDR": remote}
    assert "cannot see" in refused(client.post("/registrar_peer", json=body, environ_base=invisible), 400)
    refused(client.get("/listar_peers", environ_base=invisible), 400)


def test_an_ipv4_client_of_a_dual_stack_socket_is_an_ipv4_client(client: FlaskClient) -> None:
    mapped = {"REMOTE_ADDR": "::ffff:203.0.113.9"}
    client.post("/registrar_peer", json={"peer_id": "ana", "porta": 5001}, environ_base=mapped)
    listing = client.get("/listar_peers").json
    assert listing is not None
    assert listing["peers"][0]["ip"] == "203.0.113.9"
    gone = {"json": {"peer_id": "ana"}, "environ_base": {"REMOTE_ADDR": "203.0.113.9"}}
    assert client.post("/desconectar_peer", **gone).status_code == 200


def test_this_machine_is_told_to_others_by_its_address(client: FlaskClient) -> None:
    register(client, "ana")
    far = client.get("/listar_peers", environ_base={"REMOTE_ADDR": "192.168.1.4"}).json
    assert far is not None
    assert far["peers"][0]["ip"] == "192.0.2.1"


# Long answers


def test_a_hundred_full_listings_that_nobody_reads_hold_no_more_than_the_budget(tracker: Tracker) -> None:
    budget = Budget(limit := 4 * FREE)
    app = create_app(tracker, budget)
    for number in range(400):
        blocks = (1 << COUNT) - 1
        remote = f"192.168.1.{number % 4}"
        tracker.register(Registration(f"p{number}", 5001, blocks=blocks), remote)
    full = Request("GET", "/listar_peers", remote="127.0.0.1")
    replies = [wsgi.call(app, full) for _ in range(100)]
    answered = [reply for reply in replies if reply.status == 200]
    refused = [reply for reply in replies if reply.status == 503]
    assert 1 <= len(answered) <= 3
    assert len(answered) + len(refused) == 100
    assert sum(len(reply.body) for reply in answered) <= budget.held <= limit
    assert all("brief=1" in json.loads(reply.body)["mensagem"] for reply in refused)
    brief = Request("GET", "/listar_peers", b"brief=1", remote="127.0.0.1")
    assert wsgi.call(app, brief).status == 200, "what MiniBit's own peers ask for is always answered"
    for reply in replies:
        reply.sent()
    assert budget.held == 0
    assert wsgi.call(app, full).status == 200


def test_a_long_answer_that_fails_gives_its_bytes_back(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracker_app, "FREE", 0)
    monkeypatch.setattr(SwarmStatus, "to_json", lambda _: 1 // 0)
    tracker.register(Registration("ana", 5001), "127.0.0.1")
    budget = Budget()
    reply = wsgi.call(create_app(tracker, budget), Request("GET", "/status", remote="127.0.0.1"))
    assert (reply.status, budget.held) == (500, 0)


# The .torrent


def test_torrent_is_the_share_with_the_address_that_was_asked(client: FlaskClient) -> None:
    reply = client.get("/torrent", headers={"Host": "tracker.lan:5000"})
    assert reply.mimetype == "application/x-bittorrent"
    assert "attachment" in reply.headers["Content-Disposition"]
    assert ".torrent" in reply.headers["Content-Disposition"]
    assert metainfo.parse(reply.data) == SHARE
    assert bencode.decode(reply.data)[b"announce"] == b"http://tracker.lan:5000/announce"
    six = client.get("/torrent", headers={"Host": "[::1]:5000"})
    assert bencode.decode(six.data)[b"announce"] == b"http://[::1]:5000/announce"


def test_torrent_names_udp_second_where_its_port_is_the_one_that_was_asked(tracker: Tracker) -> None:
    with create_app(tracker, Budget(), udp_port=5000).test_client() as client:
        both = bencode.decode(client.get("/torrent", headers={"Host": "[::1]:5000"}).data)
        proxied = bencode.decode(client.get("/torrent", headers={"Host": "tracker.lan:80"}).data)
    assert both[b"announce-list"] == [[b"http://[::1]:5000/announce"], [b"udp://[::1]:5000/announce"]]
    assert b"announce-list" not in proxied


def test_the_magnet_link_names_the_same_trackers(tracker: Tracker) -> None:
    with create_app(tracker, Budget(), udp_port=5000).test_client() as client:
        reply = client.get("/magnet", headers={"Host": "[::1]:5000"})
        assert client.get("/magnet", headers={"Host": "evil/.."}).status_code == 400
    link = magnet.parse(reply.text)
    assert (link.info_hash, link.name) == (SHARE.info_hash, SHARE.name)
    assert link.trackers == ("http://[::1]:5000/announce", "udp://[::1]:5000/announce")


@pytest.mark.parametrize("host", ["evil/..", "a b", "host:port", "user@host", "host:123456", "x" * 300])
def test_a_host_that_is_none_gets_no_torrent(client: FlaskClient, host: str) -> None:
    refused(client.get("/torrent", headers={"Host": host}), 400)


# Bad input


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[" * 100_000, b"[1]", b'"ana"', b"\xff", b"9" * 10_000, b"null"]
)
@pytest.mark.parametrize("path", ["/registrar_peer", "/desconectar_peer"])
def test_a_body_that_is_no_json_object_is_refused(client: FlaskClient, path: str, body: bytes) -> None:
    assert "JSON" in refused(client.post(path, data=body, content_type="application/json"), 400)


def test_what_a_web_form_can_send_changes_nothing(client: FlaskClient) -> None:
    body = json.dumps({"peer_id": "ana", "porta": 5001})
    for kind in ("text/plain", "application/x-www-form-urlencoded", None):
        for call in (
            client.post("/registrar_peer", data=body, content_type=kind),
            client.get("/listar_peers", data=body),
        ):
            assert "application/json" in refused(call, 415)


@pytest.mark.parametrize(
    "body", [{"blocks": [99]}, {"blocks": "x"}, {"bitfield": 1}, {"figures": 3}, {"bt_id": "x"}, []]
)
def test_a_malformed_heartbeat_is_refused(client: FlaskClient, body: object) -> None:
    refused(client.get("/listar_peers?peer_id=ana", json=body), 400)


@pytest.mark.parametrize("numwant", ["-1", "x", "1.5", "9" * 30])
def test_a_malformed_numwant_is_refused(client: FlaskClient, numwant: str) -> None:
    refused(client.get(f"/listar_peers?numwant={numwant}"), 400)


def test_huge_bodies_unknown_addresses_and_wrong_methods_are_refused(client: FlaskClient) -> None:
    huge = client.post("/registrar_peer", data=b" " * (MAX_BODY + 1), content_type="application/json")
    assert "2 MiB" in refused(huge, 413)
    refused(client.get("/nowhere"), 404)
    refused(client.get("/registrar_peer"), 405)
    assert client.get("/status").status_code == 200


def test_a_bug_is_an_answer_and_a_log_entry(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> SwarmStatus:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(tracker, "status", fail)
    with create_app(tracker, Budget()).test_client() as client:
        refused(client.get("/status"), 500)
    assert "GET /status failed" in caplog.text
    assert "a bug" in caplog.text


def test_the_index_names_every_address(client: FlaskClient) -> None:
    reply = client.get("/")
    assert reply.mimetype == "text/plain"
    for path in (
        "/torrent",
        "/status",
        "/registrar_peer",
        "/listar_peers",
        "/desconectar_peer",
        "/announce",
        "/scrape",
    ):
        assert path in reply.text


def test_a_full_bitfield_fits_in_a_body() -> None:
    assert len(bitfield.to_wire(0, metainfo.MAX_BLOCKS).hex()) < MAX_BODY


def test_a_body_of_many_small_objects_is_refused_before_it_is_decoded(client: FlaskClient) -> None:
    body = b'{"peer_id": "ana", "porta": 5001, "blocks": [' + b"{}," * 300_000 + b"{}]}"
    reply = client.post("/registrar_peer", data=body, content_type="application/json")
    assert reply.status_code == 400
    assert "more than 4096 objects" in reply.get_json()["mensagem"]
