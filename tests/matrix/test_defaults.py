"""Clients at their default settings, and other people's trackers, on networks of their own: the quick cells.

Most clients deal with nobody on loopback, so these need network namespaces; the whole matrix is by hand.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from matrix.clients import CLIENTS, Client, Libtorrent, Webtorrent, installed
from matrix.lan import enclosing
from matrix.trackers import Opentracker

ROOT = Path(__file__).parent.parent.parent
REQUIRED = os.environ.get("MINIBIT_REQUIRE_FOREIGN")
DEBIAN = [client for client in CLIENTS if not isinstance(client, Libtorrent | Webtorrent)]


def play(*options: str) -> str:
    """The matrix with these options; what it printed, once all of it is right."""
    if enclosing() is None:
        pytest.skip("NOT TESTED AGAINST FOREIGN CLIENTS: network namespaces are not permitted here")
    command = [sys.executable, "-m", "tests.matrix", "--size", "1", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("client", DEBIAN, ids=lambda client: client.name)
def test_a_client_fetches_from_the_origin_and_feeds_a_peer(client: Client) -> None:
    if not installed(client) and not REQUIRED:
        pytest.skip(f"NOT TESTED AGAINST A FOREIGN CLIENT: {client.program} is not installed")
    cells = ("--cell", "alone", "--cell", "feeds")
    shown = play("--client", client.name, *cells, "--uncompared")
    assert shown.splitlines()[0].startswith(f"| | {client.name} ")
    assert shown.count(" s |") == 2


def test_peers_meet_on_a_foreign_tracker() -> None:
    if shutil.which(Opentracker.program) is None and not REQUIRED:
        pytest.skip("NOT TESTED ON A FOREIGN TRACKER: opentracker is not installed")
    shown = play("--trackers")
    for protocol in ("HTTP", "UDP"):
        assert f"| {Opentracker.name} | {protocol} | " in shown
